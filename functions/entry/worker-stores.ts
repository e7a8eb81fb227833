/** Opens the configured bucket on Workers: through a binding, or by fetch with the credentials of secrets. No SDK, no Node. */
import * as z from 'zod'
import { gcsFetchStore } from '../../lib/store/gcs-fetch.ts'
import { serviceAccountToken } from '../../lib/store/gcs-token.ts'
import { r2Store, type R2BucketBinding } from '../../lib/store/r2.ts'
import { s3FetchStore } from '../../lib/store/s3-fetch.ts'
import { ConfigError, type Config } from '../config.ts'
import { emulatorUrl } from './emulator.ts'
import type { OpenedStore } from './service.ts'

/** Variables, secrets and bindings of the worker. */
export type WorkerEnv = Readonly<Record<string, unknown>>

/** Those that are text. */
export function textsOf(env: WorkerEnv): Record<string, string> {
  return Object.fromEntries(
    Object.entries(env).flatMap(([name, value]) => (typeof value === 'string' ? [[name, value]] : [])),
  )
}

/** Open the bucket. Throws ConfigError where the binding or a secret that it needs is not there. */
export function openWorkerStore(config: Config, env: WorkerEnv): OpenedStore {
  const { bucket, token_format } = config
  switch (bucket.kind) {
    case 'r2': {
      const binding = env[bucket.binding]
      if (isR2Bucket(binding)) return { driver: r2Store(binding, { token_format }) }
      throw new ConfigError(`ARCO_STORAGE_BUCKET: ${bucket.binding} is no R2 binding of this worker`)
    }
    case 's3':
      return s3Of(bucket.bucket, config, textsOf(env))
    case 'gcs':
      return gcsOf(bucket.bucket, config, textsOf(env))
    case 'file':
    case 'memory':
      throw new ConfigError(
        'ARCO_STORAGE_BUCKET: a worker keeps nothing; set r2:BINDING, s3://BUCKET or gs://BUCKET',
      )
  }
}

function isR2Bucket(value: unknown): value is R2BucketBinding {
  return typeof value === 'object' && value !== null && 'put' in value && 'head' in value
}

function s3Of(
  bucket: string,
  { token_format, if_match_style }: Config,
  env: Readonly<Record<string, string>>,
): OpenedStore {
  const {
    AWS_ACCESS_KEY_ID: access_key_id,
    AWS_SECRET_ACCESS_KEY: secret_access_key,
    AWS_SESSION_TOKEN: session_token,
    AWS_ENDPOINT_URL_S3: endpoint,
    AWS_REGION: region = endpoint === undefined ? 'us-east-1' : 'auto',
  } = env
  if (access_key_id === undefined || secret_access_key === undefined) {
    throw new ConfigError('AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY: required as secrets for an s3:// bucket')
  }
  const credentials = {
    access_key_id,
    secret_access_key,
    ...(session_token === undefined ? {} : { session_token }),
  }
  return {
    driver: s3FetchStore({
      bucket,
      endpoint: endpoint ?? `https://s3.${region}.amazonaws.com`,
      region,
      token_format,
      if_match_style,
      credentials: async () => credentials,
    }),
  }
}

/** The members of a service account key file that are used. */
const AccountKey = z.object({
  client_email: z.string(),
  private_key: z.string(),
  private_key_id: z.string().exactOptional(),
  token_uri: z.string().exactOptional(),
})

function gcsOf(bucket: string, { token_format }: Config, env: Readonly<Record<string, string>>): OpenedStore {
  const { STORAGE_EMULATOR_HOST: emulator, GOOGLE_APPLICATION_CREDENTIALS_JSON: key } = env
  if (emulator !== undefined) {
    return {
      driver: gcsFetchStore({
        bucket,
        token_format,
        token: async () => null,
        endpoint: emulatorUrl(emulator),
      }),
    }
  }
  return {
    driver: gcsFetchStore({ bucket, token_format, token: serviceAccountToken(accountKeyOf(key ?? '')) }),
  }
}

function accountKeyOf(text: string): z.infer<typeof AccountKey> {
  try {
    return AccountKey.parse(JSON.parse(text))
  } catch {
    throw new ConfigError(
      'GOOGLE_APPLICATION_CREDENTIALS_JSON: expected the JSON of a service account key as a secret for a gs:// bucket',
    )
  }
}
