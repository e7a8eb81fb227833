/** Both S3 drivers under the contract, over any S3 service. */
import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { AwsClient } from 'aws4fetch'
import { s3FetchStore } from '../../lib/store/s3-fetch.ts'
import { s3Store } from '../../lib/store/s3.ts'
import type { TokenFormat } from '../../lib/store/tokens.ts'
import type { ContractStore, Driver, Expired } from './contract/row.ts'
import type { FalseAnswer } from './fault-proxy.ts'
import { startS3Gateway } from './s3-gateway.ts'
import type { S3Keys, S3Server } from './servers/minio.ts'
import { openWireBench, type Dialect, type WireBench } from './wire-bench.ts'

/** Which of the two drivers. */
export type S3Client = 'sdk' | 'fetch'

/** A service with proxies and a gateway in front of it. */
export interface S3Bench {
  readonly wires: WireBench
  /** A driver of the bucket at `endpoint`, by the bench's proxy unless told. */
  open(
    client: S3Client,
    options?: {
      readonly endpoint?: string
      readonly keys?: S3Keys
      readonly token_format?: TokenFormat
      readonly bucket?: string
    },
  ): Driver
  contract(client: S3Client, token_format?: TokenFormat): ContractStore
  close(): Promise<void>
}

/** An error as S3 services write it. */
export function s3Error(
  status: number,
  code: string,
  headers: Readonly<Record<string, string>> = {},
): FalseAnswer {
  return {
    status,
    headers: { 'content-type': 'application/xml', ...headers },
    body: `<?xml version="1.0" encoding="UTF-8"?>\n<Error><Code>${code}</Code><Message>injected ${code}</Message></Error>`,
  }
}

/** How S3 looks on the wire. */
export const S3_DIALECT: Dialect = {
  isWrite: ({ method }) => method === 'PUT',
  isExpired: ({ headers }) => headers.get('authorization')?.includes('Credential=expired') === true,
  answers: {
    throttle: s3Error(503, 'SlowDown', { 'retry-after': '1' }),
    conflict: s3Error(409, 'ConditionalRequestConflict'),
    error: s3Error(500, 'InternalError'),
    no_such_bucket: s3Error(404, 'NoSuchBucket'),
    no_such_key: s3Error(404, 'NoSuchKey'),
    no_token: { status: 200 },
    forbidden: s3Error(403, 'AccessDenied'),
    expired: s3Error(400, 'ExpiredToken'),
  },
}

const EXPIRED: S3Keys = { accessKeyId: 'expired', secretAccessKey: 'expired' }

/** Start proxies and gateway; the server stays the caller's. */
export async function openS3Bench(server: S3Server): Promise<S3Bench> {
  const wires = await openWireBench(server.endpoint, S3_DIALECT)
  const gateway = await startS3Gateway(server)
  const sources: { close(): Promise<void> }[] = []
  const through = (origin: string): string =>
    `${origin}${new URL(server.endpoint).pathname.replace(/\/$/, '')}`

  const open: S3Bench['open'] = (client, options = {}) => {
    const { endpoint = through(wires.proxy.origin), keys = server.keys, bucket = server.bucket } = options
    const shared = {
      bucket,
      endpoint,
      region: server.region,
      ...(options.token_format === undefined ? {} : { token_format: options.token_format }),
    }
    return client === 'sdk'
      ? s3Store({ ...shared, credentials: keys })
      : s3FetchStore({ ...shared, credentials: async () => fetchKeys(keys) })
  }

  async function expired(client: S3Client, which: 'first' | 'all'): Promise<Expired> {
    const first_request = wires.proxy.requests.length
    const sent = (): number => wires.proxy.requests.length - first_request
    let fetched = 0
    const nextKeys = (): S3Keys => (fetched++ === 0 || which === 'all' ? EXPIRED : server.keys)
    const shared = { bucket: server.bucket, endpoint: through(wires.proxy.origin), region: server.region }
    if (client === 'fetch') {
      let current: S3Keys | null = null
      const credentials = async ({ refresh }: { readonly refresh: boolean }) => {
        if (refresh || current === null) current = nextKeys()
        // Two sets of expired keys are not the same set.
        return { ...fetchKeys(current), ...(which === 'all' ? { session_token: String(fetched) } : {}) }
      }
      return { driver: s3FetchStore({ ...shared, credentials }), fetched: () => fetched, sent }
    }
    sources.push(await startContainerCredentials(nextKeys))
    return { driver: s3Store(shared), fetched: () => fetched, sent }
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
        wire: wires.wire(open(client, { endpoint: through(wires.hang_origin) })),
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
      await Promise.all([wires.close(), gateway.close(), ...sources.map(async (each) => each.close())])
    },
  }
}

function fetchKeys({ accessKeyId, secretAccessKey, sessionToken }: S3Keys): {
  readonly access_key_id: string
  readonly secret_access_key: string
  readonly session_token?: string
} {
  return {
    access_key_id: accessKeyId,
    secret_access_key: secretAccessKey,
    ...(sessionToken === undefined ? {} : { session_token: sessionToken }),
  }
}

/** As containers of AWS get theirs: the end of the SDK's own chain. */
async function startContainerCredentials(next: () => S3Keys): Promise<{ close(): Promise<void> }> {
  const server = createServer((_request, response) => {
    const { accessKeyId, secretAccessKey, sessionToken } = next()
    const Expiration = new Date(Date.now() + 3_600_000).toISOString()
    response.setHeader('content-type', 'application/json')
    response.end(
      JSON.stringify({
        AccessKeyId: accessKeyId,
        SecretAccessKey: secretAccessKey,
        Token: sessionToken ?? '',
        Expiration,
      }),
    )
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  process.env['AWS_CONTAINER_CREDENTIALS_FULL_URI'] = `http://127.0.0.1:${port}/`
  return {
    async close() {
      server.closeAllConnections()
      await new Promise((closed) => server.close(closed))
    },
  }
}

async function rawBytes({ endpoint, bucket, keys, region }: S3Server, key: string): Promise<Uint8Array> {
  const client = new AwsClient({ ...keys, service: 's3', region })
  const path = key.split('/').map(encodeURIComponent).join('/')
  const response = await client.fetch(`${endpoint}/${bucket}/${path}`)
  if (!response.ok) throw new Error(`${response.status} ${await response.text()}`)
  return new Uint8Array(await response.arrayBuffer())
}
