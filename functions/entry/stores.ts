/** Opens the configured bucket on a runtime with Node's modules. An SDK is loaded only when its bucket is configured. */
import type { TokenFormat } from '../../lib/store/tokens.ts'
import { StoreError } from '../../lib/store/types.ts'
import type { Bucket } from '../bucket.ts'
import { emulatorUrl } from './emulator.ts'
import type { OpenedStore } from './service.ts'

/** Variables that the vendors' SDKs read, and what certification found out. */
export interface StoreOptions {
  readonly token_format: TokenFormat
  readonly if_match_style?: 'quoted' | 'unquoted'
  readonly env: Readonly<Record<string, string | undefined>>
}

/** Open the bucket. StoreError `misconfigured` for one that this runtime cannot reach. */
export async function openStore(bucket: Bucket, options: StoreOptions): Promise<OpenedStore> {
  const { token_format, if_match_style, env } = options
  switch (bucket.kind) {
    case 'memory': {
      const { memoryStore } = await import('../../lib/store/memory.ts')
      return { driver: memoryStore({ token_format, clock: Date.now }) }
    }
    case 'file': {
      const { fsStore } = await import('../../lib/store/fs.ts')
      return { driver: fsStore(bucket.dir, { token_format }) }
    }
    case 's3': {
      const { s3Store } = await import('../../lib/store/s3.ts')
      const endpoint = env['AWS_ENDPOINT_URL_S3'] ?? env['AWS_ENDPOINT_URL']
      const region =
        env['AWS_REGION'] ?? env['AWS_DEFAULT_REGION'] ?? (endpoint === undefined ? undefined : 'auto')
      return {
        driver: s3Store({
          bucket: bucket.bucket,
          token_format,
          ...(if_match_style === undefined ? {} : { if_match_style }),
          ...(endpoint === undefined ? {} : { endpoint }),
          ...(region === undefined ? {} : { region }),
        }),
      }
    }
    case 'gcs': {
      const { gcsStore } = await import('../../lib/store/gcs.ts')
      const emulator = env['STORAGE_EMULATOR_HOST']
      return {
        driver: gcsStore({
          bucket: bucket.bucket,
          token_format,
          ...(emulator === undefined ? {} : { endpoint: emulatorUrl(emulator) }),
        }),
      }
    }
    case 'r2':
      throw new StoreError(
        'misconfigured',
        '',
        'an R2 binding exists on Workers only; elsewhere use s3://BUCKET',
      )
  }
}
