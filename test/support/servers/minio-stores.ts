/** Stores over one MinIO that lives as long as a `describe`, for tests that want an empty store each. */
import { afterAll, beforeAll } from 'vitest'
import { s3FetchStore } from '../../../lib/store/s3-fetch.ts'
import { s3Store } from '../../../lib/store/s3.ts'
import { scopedMaintenanceStore } from '../../../lib/store/scoped.ts'
import type { MaintenanceStore } from '../../../lib/store/types.ts'
import type { MakeStore } from '../stores.ts'
import { startMinio, type Minio, type S3Server } from './minio.ts'

/** Opens a bucket of an S3 service. */
export type OpenS3 = (service: Omit<S3Server, 'stop'>) => MaintenanceStore

/** By the vendor's SDK. */
export const openBySdk: OpenS3 = ({ keys, endpoint, region, bucket }) =>
  s3Store({ endpoint, region, bucket, credentials: keys })

/** By the fetch driver. */
export const openByFetch: OpenS3 = ({ keys, endpoint, region, bucket }) => {
  const { accessKeyId: access_key_id, secretAccessKey: secret_access_key, sessionToken } = keys
  const credentials = {
    access_key_id,
    secret_access_key,
    ...(sessionToken === undefined ? {} : { session_token: sessionToken }),
  }
  return s3FetchStore({ endpoint, region, bucket, credentials: async () => credentials })
}

/** Call it in a `describe`. Every store is a folder of its own in one bucket; they all share the driver. */
export function useMinio(open: OpenS3): MakeStore {
  let minio: Minio
  let driver: MaintenanceStore
  let stores = 0
  beforeAll(async () => {
    minio = await startMinio()
    driver = open(minio)
  })
  afterAll(async () => minio.stop())
  return () => ({
    store: scopedMaintenanceStore(driver, { tenant: 'test', workspace: String(stores++) }),
    has_content_tokens: true,
    close: () => undefined,
  })
}
