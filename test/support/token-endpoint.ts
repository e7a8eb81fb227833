/** An OAuth token endpoint on loopback, and credentials that point to it. */
import { generateKeyPairSync } from 'node:crypto'
import { once } from 'node:events'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

/** What the endpoint answers to one request. */
export interface TokenAnswer {
  readonly status: number
  readonly body: unknown
}

/** An endpoint that runs. */
export interface TokenEndpoint {
  readonly url: string
  /**
   * Path of a credentials file for Google's SDK: workload identity federation, because for a service account key the SDK
   * asks Google whatever its `token_uri` says.
   */
  readonly key_file: string
  /** The grants that arrived, as form fields. */
  readonly grants: readonly Readonly<Record<string, string>>[]
  close(): Promise<void>
}

/** Keys take a while to make, and it does not matter which one it is. */
const { privateKey, publicKey } = generateKeyPairSync('rsa', {
  modulusLength: 2048,
  publicKeyEncoding: { type: 'spki', format: 'pem' },
  privateKeyEncoding: { type: 'pkcs8', format: 'pem' },
})

/** The service account's key; PEM, public half for those who check its grants. */
export const SERVICE_ACCOUNT = {
  client_email: 'tidemark@test.iam.gserviceaccount.com',
  private_key: privateKey,
  private_key_id: 'key-1',
  public_key: publicKey,
}

/** Start one; `answer` is asked for every grant, counted from 1. */
export async function startTokenEndpoint(answer: (nth: number) => TokenAnswer): Promise<TokenEndpoint> {
  const grants: Record<string, string>[] = []
  const server = createServer((request, response) => {
    const chunks: Buffer[] = []
    request.on('data', (chunk: Buffer) => chunks.push(chunk))
    request.on('end', () => {
      grants.push(Object.fromEntries(new URLSearchParams(Buffer.concat(chunks).toString())))
      const { status, body } = answer(grants.length)
      response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body))
    })
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/token`
  const folder = mkdtempSync(join(tmpdir(), 'tidemark-key-'))
  const key_file = join(folder, 'key.json')
  const subject_file = join(folder, 'subject-token')
  writeFileSync(subject_file, 'the token of another cloud')
  writeFileSync(
    key_file,
    JSON.stringify({
      type: 'external_account',
      audience: '//iam.googleapis.com/projects/1/locations/global/workloadIdentityPools/p/providers/q',
      subject_token_type: 'urn:ietf:params:oauth:token-type:jwt',
      token_url: url,
      credential_source: { file: subject_file },
    }),
  )
  return {
    url,
    key_file,
    grants,
    async close() {
      server.closeAllConnections()
      await new Promise((closed) => server.close(closed))
      rmSync(folder, { recursive: true, force: true })
    },
  }
}
