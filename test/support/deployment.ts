/** A whole deployment without sockets: configuration from variables, authentication, one store (functions/entry/service.ts). */
import type { App } from '../../functions/app.ts'
import { configFrom } from '../../functions/config.ts'
import { createService, type OpenedStore } from '../../functions/entry/service.ts'
import { digestOf, SECRET, signed, USER_CLAIMS } from './tokens.ts'
import { expectDescribed } from './described.ts'
import type { Answer } from './service.ts'

/** The service token of `PRIVATE`. */
export const SERVICE_TOKEN = 'a-service-token'

/** Users by JWT, services by a static token; tenant `acme`, workspace `analytics` for the compactor's routes. */
export const PRIVATE = {
  ARCO_STORAGE_BUCKET: 'memory:',
  ARCO_ENVIRONMENT: 'prod',
  ARCO_API_PUBLIC: 'false',
  ARCO_TENANT_ID: 'acme',
  ARCO_WORKSPACE_ID: 'analytics',
  ARCO_JWT_SECRET: SECRET,
  ARCO_JWT_ISSUER: USER_CLAIMS.iss,
  ARCO_JWT_AUDIENCE: USER_CLAIMS.aud,
  TIDEMARK_INTERNAL_TOKEN_SHA256: await digestOf(SERVICE_TOKEN),
  // Tests ask more often than a tenant may.
  TIDEMARK_RATE_LIMIT: 'false',
}

/** A request; what is left out is not sent. */
export interface Question {
  readonly token?: string
  readonly body?: unknown
  readonly headers?: Readonly<Record<string, string>>
}

/** A deployment under test. */
export interface Deployment {
  readonly app: App
  /** Log lines so far, decoded. */
  log(): readonly Readonly<Record<string, unknown>>[]
  ask(method: string, path: string, question?: Question): Promise<Answer>
}

/** Start one over a store. */
export async function deployment(
  env: Readonly<Record<string, string>>,
  driver: OpenedStore['driver'],
): Promise<Deployment> {
  const lines: string[] = []
  const app = await createService(configFrom(env), {
    opened: { driver },
    write: (line) => void lines.push(line),
  })
  return {
    app,
    log: () => lines.map((line) => JSON.parse(line) as Readonly<Record<string, unknown>>),
    async ask(method, path, { token, body, headers = {} } = {}) {
      const request = new Request(`http://tidemark.test${path}`, {
        method,
        headers: {
          ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
          ...(body === undefined ? {} : { 'content-type': 'application/json' }),
          ...headers,
        },
        ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      })
      const response = await app.fetch(request)
      const text = await response.text()
      const is_json = response.headers.get('content-type')?.includes('json') === true
      const answer = {
        status: response.status,
        headers: response.headers,
        body: is_json ? JSON.parse(text) : text,
      }
      expectDescribed({ method, path, ...answer, body: is_json ? answer.body : null })
      return answer
    },
  }
}

/** A token of a user of this tenant. */
export async function userOf(tenant: string, workspace = 'analytics'): Promise<string> {
  return signed({ ...USER_CLAIMS, tenant, workspace }, SECRET)
}
