/**
 * Tidemark on Cloudflare Workers: a module worker over an R2 binding, or over another cloud's bucket by fetch. Needs no
 * Node modules (wrangler.toml sets no `nodejs_compat`). The app is made once an isolate, when its first request comes.
 */
import { gcsFetchStore } from '../../lib/store/gcs-fetch.ts'
import { serviceAccountToken, type ServiceAccountKey } from '../../lib/store/gcs-token.ts'
import { r2Store, type R2BucketBinding } from '../../lib/store/r2.ts'
import { s3FetchStore } from '../../lib/store/s3-fetch.ts'
import { StoreError } from '../../lib/store/types.ts'
import type { App } from '../app.ts'
import { readConfig, type Config } from '../config.ts'
import { createService, type OpenedStore } from './service.ts'

/** Variables, secrets and bindings of the worker. */
export type WorkerEnv = Readonly<Record<string, unknown>>

/** What the runtime offers for work that outlives the answer. */
export interface WorkerContext {
  waitUntil(work: Promise<unknown>): void
}

let app: Promise<App> | null = null

/** The app of this isolate. A failed start is tried again by the next request. */
function appOf(env: WorkerEnv): Promise<App> {
  app ??= start(env).catch((error: unknown) => {
    app = null
    throw error
  })
  return app
}

async function start(env: WorkerEnv): Promise<App> {
  const read = readConfig(textsOf(env))
  if (!read.ok) throw new Error(`the configuration is wrong: ${read.problems.join('; ')}`)
  return createService(read.config, { opened: openStore(read.config, env), write: writeLine })
}

/** The console is the platform's log; it adds the line break. */
function writeLine(line: string): void {
  console.log(line.trimEnd())
}

function textsOf(env: WorkerEnv): Record<string, string> {
  return Object.fromEntries(
    Object.entries(env).flatMap(([name, value]) => (typeof value === 'string' ? [[name, value]] : [])),
  )
}

function openStore({ bucket, token_format, if_match_style }: Config, env: WorkerEnv): OpenedStore {
  const text = textsOf(env)
  switch (bucket.kind) {
    case 'r2': {
      const binding = env[bucket.binding]
      if (!isR2Bucket(binding)) throw unusable(`${bucket.binding} is no R2 binding of this worker`)
      return { driver: r2Store(binding, { token_format }) }
    }
    case 's3': {
      const endpoint =
        text['AWS_ENDPOINT_URL_S3'] ?? `https://s3.${text['AWS_REGION'] ?? 'us-east-1'}.amazonaws.com`
      return {
        driver: s3FetchStore({
          bucket: bucket.bucket,
          endpoint,
          region: text['AWS_REGION'] ?? 'auto',
          token_format,
          if_match_style,
          credentials: async () => ({
            access_key_id: text['AWS_ACCESS_KEY_ID'] ?? '',
            secret_access_key: text['AWS_SECRET_ACCESS_KEY'] ?? '',
            ...(text['AWS_SESSION_TOKEN'] === undefined ? {} : { session_token: text['AWS_SESSION_TOKEN'] }),
          }),
        }),
      }
    }
    case 'gcs': {
      const emulator = text['STORAGE_EMULATOR_HOST']
      const token =
        emulator === undefined
          ? serviceAccountToken(
              JSON.parse(text['GOOGLE_APPLICATION_CREDENTIALS_JSON'] ?? '{}') as ServiceAccountKey,
            )
          : async () => null
      return {
        driver: gcsFetchStore({
          bucket: bucket.bucket,
          token_format,
          token,
          ...(emulator === undefined ? {} : { endpoint: emulator }),
        }),
      }
    }
    case 'file':
    case 'memory':
      throw unusable(
        'a worker keeps nothing: set ARCO_STORAGE_BUCKET to r2:BINDING, s3://BUCKET or gs://BUCKET',
      )
  }
}

function isR2Bucket(value: unknown): value is R2BucketBinding {
  return typeof value === 'object' && value !== null && 'put' in value && 'head' in value
}

function unusable(why: string): StoreError {
  return new StoreError('misconfigured', '', why)
}

/** The module that the platform runs. */
export default {
  async fetch(request: Request, env: WorkerEnv, context: WorkerContext): Promise<Response> {
    const answer = (await appOf(env)).fetch(request)
    // A client that goes away must not cut a commit that is reserved (spec/http-api.md 11).
    context.waitUntil(answer.catch(() => undefined))
    return answer
  },
  /** Cron trigger: is the store there and may it be written to? A refusal fails the run, which the platform shows. */
  async scheduled(_event: unknown, env: WorkerEnv): Promise<void> {
    const answer = await (await appOf(env)).fetch(new Request('https://tidemark.internal/ready'))
    if (answer.status !== 200) throw new Error(`not ready: ${await answer.text()}`)
  },
}
