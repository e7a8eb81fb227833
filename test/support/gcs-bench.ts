/** Both GCS drivers under the contract, over any GCS service. */
import { gcsFetchStore } from '../../lib/store/gcs-fetch.ts'
import { gcsStore } from '../../lib/store/gcs.ts'
import type { TokenFormat } from '../../lib/store/tokens.ts'
import type { ContractStore, Driver, Expired } from './contract/row.ts'
import type { FalseAnswer } from './fault-proxy.ts'
import { startGcsGateway } from './gcs-gateway.ts'
import type { GcsServer } from './servers/fake-gcs.ts'
import { startTokenEndpoint, type TokenEndpoint } from './token-endpoint.ts'
import { openWireBench, type Dialect, type WireBench } from './wire-bench.ts'

/** Which of the two drivers. */
export type GcsClient = 'sdk' | 'fetch'

/** A service with proxies and a gateway in front of it. */
export interface GcsBench {
  readonly wires: WireBench
  /** A driver of the bucket at `endpoint`, by the bench's proxy unless told. */
  open(
    client: GcsClient,
    options?: { readonly endpoint?: string; readonly token_format?: TokenFormat; readonly bucket?: string },
  ): Driver
  contract(client: GcsClient, token_format?: TokenFormat): ContractStore
  close(): Promise<void>
}

/** An error as the JSON API writes it. */
export function gcsError(
  status: number,
  reason: string,
  options: { readonly message?: string; readonly headers?: Readonly<Record<string, string>> } = {},
): FalseAnswer {
  const { message = `injected ${reason}`, headers = {} } = options
  const errors = [{ message, domain: 'global', reason }]
  return {
    status,
    headers: { 'content-type': 'application/json; charset=UTF-8', ...headers },
    body: JSON.stringify({ error: { code: status, message, errors } }),
  }
}

/** How the JSON API looks on the wire. */
export const GCS_DIALECT: Dialect = {
  isWrite: ({ method, target }) => method === 'POST' && target.startsWith('/upload/'),
  isExpired: ({ headers }) => headers.get('authorization')?.startsWith('Bearer expired') === true,
  answers: {
    throttle: gcsError(429, 'rateLimitExceeded', { headers: { 'retry-after': '1' } }),
    conflict: gcsError(409, 'conflict'),
    error: gcsError(500, 'backendError'),
    no_such_bucket: gcsError(404, 'notFound', { message: 'The specified bucket does not exist.' }),
    no_such_key: gcsError(404, 'notFound', { message: 'No such object: tidemark/a' }),
    no_token: {
      status: 200,
      headers: { 'content-type': 'application/json' },
      body: '{"kind":"storage#object"}',
    },
    forbidden: gcsError(403, 'forbidden'),
    expired: gcsError(401, 'authError', { message: 'Invalid Credentials' }),
  },
}

/** Start proxies and gateway; the server stays the caller's. */
export async function openGcsBench(server: GcsServer): Promise<GcsBench> {
  const wires = await openWireBench(server.endpoint, GCS_DIALECT)
  const gateway = await startGcsGateway(server.endpoint)
  const endpoints: TokenEndpoint[] = []

  const open: GcsBench['open'] = (client, options = {}) => {
    const { endpoint = wires.proxy.origin, bucket = server.bucket } = options
    const shared = {
      bucket,
      endpoint,
      ...(options.token_format === undefined ? {} : { token_format: options.token_format }),
    }
    return client === 'sdk' ? gcsStore(shared) : gcsFetchStore({ ...shared, token: async () => null })
  }

  async function expired(client: GcsClient, which: 'first' | 'all'): Promise<Expired> {
    const first_request = wires.proxy.requests.length
    const sent = (): number => wires.proxy.requests.length - first_request
    const tokenOf = (nth: number): string => (nth === 1 || which === 'all' ? `expired-${nth}` : `good-${nth}`)
    const shared = { bucket: server.bucket, endpoint: wires.proxy.origin }
    if (client === 'fetch') {
      let fetched = 0
      let current: string | null = null
      const token = async ({ refused }: { readonly refused: string | null }): Promise<string> => {
        if (current === null || current === refused) current = tokenOf(++fetched)
        return current
      }
      return { driver: gcsFetchStore({ ...shared, token }), fetched: () => fetched, sent }
    }
    const endpoint = await startTokenEndpoint((nth) => ({
      status: 200,
      body: {
        access_token: tokenOf(nth),
        issued_token_type: 'urn:ietf:params:oauth:token-type:access_token',
        expires_in: 3600,
        token_type: 'Bearer',
      },
    }))
    endpoints.push(endpoint)
    const driver = gcsStore({ ...shared, key_file: endpoint.key_file })
    return { driver, fetched: () => endpoint.grants.length, sent }
  }

  return {
    wires,
    open,
    contract(client, token_format) {
      const format = token_format === undefined ? {} : { token_format }
      const driver = open(client, format)
      wires.reset()
      return {
        store: driver,
        another: () => open(client, format),
        wire: wires.wire(open(client, { endpoint: wires.hang_origin })),
        service: {
          ...wires.service,
          driver,
          behind: (how) => open(client, { endpoint: gateway.endpoint(how) }),
          expired: async (which) => expired(client, which),
        },
        rawBytes: async (key) => rawBytes(server, key),
      }
    },
    async close() {
      await Promise.all([wires.close(), gateway.close(), ...endpoints.map(async (each) => each.close())])
    },
  }
}

async function rawBytes({ endpoint, bucket }: GcsServer, key: string): Promise<Uint8Array> {
  const response = await fetch(`${endpoint}/storage/v1/b/${bucket}/o/${encodeURIComponent(key)}?alt=media`)
  if (!response.ok) throw new Error(`${response.status} ${await response.text()}`)
  return new Uint8Array(await response.arrayBuffer())
}
