/** Where a soak keeps its objects, as engines and operators reach it. Shares no code with the stores under test. */
import { mkdirSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { setTimeout as wait } from 'node:timers/promises'
import { startMinio } from '../support/servers/minio.ts'
import type { Layout } from './journal.ts'
import type { Random } from './random.ts'
import { tablePath, type TableAddresses } from './readings.ts'
import { s3Client } from './s3-client.ts'

/** The kinds of buckets that a soak can run over. */
export const BUCKET_KINDS = ['file', 'minio'] as const

/** One of them. */
export type BucketKind = (typeof BUCKET_KINDS)[number]

/** The bucket of one run. */
export interface SoakBucket extends TableAddresses {
  /** How a server of the soak finds it. */
  readonly env: Readonly<Record<string, string>>
  /** Put a data file, as an engine does before it commits. False when the store did not take it. */
  putFile(key: string, bytes: Uint8Array): Promise<boolean>
  /** Kill the service that holds it and start it again; null where no service does. */
  readonly crash: ((random: Random) => Promise<void>) | null
  /** Copy what is in it to the folder of the layout, where it is not there already. */
  collect(): Promise<void>
  stop(): Promise<void>
}

/** Open an empty one. */
export async function openBucket(kind: BucketKind, layout: Layout): Promise<SoakBucket> {
  switch (kind) {
    case 'file':
      return folderBucket(layout)
    case 'minio':
      return minioBucket(layout)
  }
}

function folderBucket({ folder }: Layout): SoakBucket {
  return {
    env: { SOAK_BUCKET: `file:${folder}` },
    address: (table_id) => join(folder, tablePath(table_id)),
    storage_options: {},
    async putFile(key, bytes) {
      writeBelow(folder, key, bytes)
      return true
    },
    crash: null,
    collect: async () => undefined,
    stop: async () => undefined,
  }
}

async function minioBucket({ folder }: Layout): Promise<SoakBucket> {
  const minio = await startMinio()
  const { bucket, endpoint, region, keys } = minio
  const client = s3Client({ bucket, endpoint, region, ...keys })
  const aws = {
    AWS_ACCESS_KEY_ID: keys.accessKeyId,
    AWS_SECRET_ACCESS_KEY: keys.secretAccessKey,
    AWS_REGION: region,
  }
  return {
    env: { SOAK_BUCKET: `s3://${bucket}`, AWS_ENDPOINT_URL_S3: endpoint, ...aws },
    address: (table_id) => `s3://${bucket}/${tablePath(table_id)}`,
    storage_options: { AWS_ENDPOINT_URL: endpoint, AWS_ALLOW_HTTP: 'true', ...aws },
    putFile: client.put,
    async crash(random) {
      await minio.kill()
      await wait(random.between(0, 300))
      await minio.start()
    },
    async collect() {
      for (const key of await client.keys()) writeBelow(folder, key, await client.get(key))
    },
    stop: minio.stop,
  }
}

function writeBelow(folder: string, key: string, bytes: Uint8Array): void {
  const file = join(folder, key)
  mkdirSync(dirname(file), { recursive: true })
  writeFileSync(file, bytes)
}
