/** JSON Web Tokens for tests: good ones, made by jose, and bad ones, made by hand. */
import { exportJWK, exportSPKI, generateKeyPair, SignJWT, type JWK } from 'jose'

/** Claims of a user that every user mode accepts with the names of `DEFAULT_CLAIMS`. */
export const USER_CLAIMS = {
  sub: 'ada',
  tenant: 'acme',
  workspace: 'analytics',
  iss: 'https://issuer.example',
  aud: 'tidemark',
}

/** The shared secret of `jwt-hs256`. */
export const SECRET = 'a-shared-secret-of-at-least-32-chars'

/** A key pair of an issuer, or of somebody who would like to be one. */
export interface KeyPair {
  readonly private_key: CryptoKey
  readonly public_pem: string
  /** The public half, with `kid`, `alg` and `use`, as key sets have it. */
  readonly public_jwk: JWK
}

/** Make one. */
export async function keyPair(alg: 'RS256' | 'ES256', kid: string): Promise<KeyPair> {
  const { privateKey, publicKey } = await generateKeyPair(alg, { extractable: true })
  return {
    private_key: privateKey,
    public_pem: await exportSPKI(publicKey),
    public_jwk: { ...(await exportJWK(publicKey)), kid, alg, use: 'sig' },
  }
}

/** How a token is made; what is left out is as an honest issuer does it. */
export interface TokenOptions {
  readonly alg?: string
  readonly header?: Readonly<Record<string, unknown>>
  /** Seconds from now; null leaves the claim out. */
  readonly expires_in_s?: number | null
}

/** Sign claims with any key that fits the algorithm. */
export async function signed(
  claims: Readonly<Record<string, unknown>>,
  key: CryptoKey | Uint8Array | string,
  { alg = 'HS256', header = {}, expires_in_s = 300 }: TokenOptions = {},
): Promise<string> {
  const exp = expires_in_s === null ? {} : { exp: Math.floor(Date.now() / 1000) + expires_in_s }
  return new SignJWT({ ...exp, ...claims })
    .setProtectedHeader({ typ: 'JWT', ...header, alg })
    .sign(typeof key === 'string' ? new TextEncoder().encode(key) : key)
}

/** One part of a token from any text. */
export function part(text: string): string {
  return Buffer.from(text).toString('base64url')
}

/** A token whose parts are as they are given, signed with the shared secret over exactly these bytes. */
export async function handmade(header: string, payload: string, secret: string = SECRET): Promise<string> {
  const signed_text = `${part(header)}.${part(payload)}`
  const bytes = new TextEncoder()
  const key = await crypto.subtle.importKey(
    'raw',
    bytes.encode(secret),
    { name: 'HMAC', hash: 'SHA-256' },
    false,
    ['sign'],
  )
  const signature = await crypto.subtle.sign('HMAC', key, bytes.encode(signed_text))
  return `${signed_text}.${Buffer.from(signature).toString('base64url')}`
}

/** Request headers with this token. */
export function bearer(token: string): Headers {
  return new Headers({ authorization: `Bearer ${token}` })
}

/** Lower-case hex SHA-256 of a service token, as `TIDEMARK_INTERNAL_TOKEN_SHA256` has it. */
export async function digestOf(token: string): Promise<string> {
  return Buffer.from(await crypto.subtle.digest('SHA-256', new TextEncoder().encode(token))).toString('hex')
}

/** An issuer's key set behind a fetch that counts; it answers what it is told. */
export interface KeySetServer {
  readonly fetch: typeof fetch
  /** Requests so far. */
  readonly requests: readonly Request[]
  answer(how: () => Response | Promise<Response>): void
}

/** A key set with these keys. */
export function keySetServer(keys: readonly JWK[]): KeySetServer {
  const requests: Request[] = []
  let respond = (): Response | Promise<Response> => Response.json({ keys })
  return {
    requests,
    async fetch(input, init) {
      requests.push(new Request(input, init))
      return respond()
    },
    answer(how) {
      respond = how
    },
  }
}
