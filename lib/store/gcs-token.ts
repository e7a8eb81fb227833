/**
 * Bearer tokens for Cloud Storage without an SDK (spec/providers.md G-7): the metadata server of Google compute, a service
 * account key (RS256 by jose), or workload identity federation. Cached until a minute before they expire; one refresh at a
 * time.
 */
import { importPKCS8, SignJWT } from 'jose'
import { causeText } from './network.ts'
import { StoreError } from './types.ts'

/** What the drivers ask for; `refused` is a token that the store does not take any more. */
export type TokenSource = (request: { readonly refused: string | null }) => Promise<string>

/** A token and how long it lasts, as every source answers. */
interface Issued {
  readonly access_token: string
  readonly expires_in_s: number
}

/** What a test may take into its own hands. */
export interface TokenDeps {
  readonly fetch?: typeof fetch
  readonly now_ms?: () => number
}

const SCOPE = 'https://www.googleapis.com/auth/devstorage.read_write'
const EARLY_MS = 60_000
const TIMEOUT_MS = 10_000
const METADATA_URL =
  'http://metadata.google.internal/computeMetadata/v1/instance/service-accounts/default/token'

/** Cache around one way to get a token. */
function cached(issue: () => Promise<Issued>, now_ms: () => number): TokenSource {
  let current: { readonly token: string; readonly until_ms: number } | null = null
  let under_way: Promise<string> | null = null

  async function renew(): Promise<string> {
    const { access_token, expires_in_s } = await issue()
    current = { token: access_token, until_ms: now_ms() + expires_in_s * 1000 - EARLY_MS }
    return access_token
  }

  return async ({ refused }) => {
    // Many requests can be refused with one token: the first of them renews it for all.
    const is_good = current !== null && now_ms() < current.until_ms && current.token !== refused
    if (current !== null && is_good) return current.token
    under_way ??= renew().finally(() => {
      under_way = null
    })
    return under_way
  }
}

/** The service account of the machine: Compute Engine, Cloud Run, GKE. */
export function metadataServerToken(deps: TokenDeps = {}): TokenSource {
  const { fetch: doFetch = fetch, now_ms = Date.now } = deps
  return cached(
    async () =>
      issuedBy(
        'the metadata server',
        doFetch(METADATA_URL, withTimeout({ headers: { 'Metadata-Flavor': 'Google' } })),
      ),
    now_ms,
  )
}

/** The members of a service account key file that are used. */
export interface ServiceAccountKey {
  readonly client_email: string
  readonly private_key: string
  readonly private_key_id?: string
  readonly token_uri?: string
}

/** A service account key: signs a grant and trades it for a token. */
export function serviceAccountToken(key: ServiceAccountKey, deps: TokenDeps = {}): TokenSource {
  const { fetch: doFetch = fetch, now_ms = Date.now } = deps
  const token_uri = key.token_uri ?? 'https://oauth2.googleapis.com/token'
  return cached(async () => {
    const private_key = await importPKCS8(key.private_key, 'RS256').catch((cause: unknown) => {
      throw new StoreError('misconfigured', 'credentials', 'the service account key does not parse', {
        cause,
      })
    })
    const now_s = Math.floor(now_ms() / 1000)
    const assertion = await new SignJWT({ scope: SCOPE })
      .setProtectedHeader({
        alg: 'RS256',
        typ: 'JWT',
        ...(key.private_key_id === undefined ? {} : { kid: key.private_key_id }),
      })
      .setIssuer(key.client_email)
      .setAudience(token_uri)
      .setIssuedAt(now_s)
      .setExpirationTime(now_s + 3600)
      .sign(private_key)
    const body = new URLSearchParams({ grant_type: 'urn:ietf:params:oauth:grant-type:jwt-bearer', assertion })
    return issuedBy('the token endpoint', doFetch(token_uri, withTimeout({ method: 'POST', body })))
  }, now_ms)
}

/** How a foreign identity becomes a Google one. */
export interface WorkloadIdentity {
  /** `//iam.googleapis.com/projects/…/providers/…` */
  readonly audience: string
  readonly subject_token_type: string
  /** `https://sts.googleapis.com/v1/token` unless told. */
  readonly token_url?: string
  /** The foreign token, fresh each time. */
  subjectToken(): Promise<string>
  /** `…:generateAccessToken` of the service account to act as; the federated token itself when left out. */
  readonly impersonation_url?: string
}

/** Workload identity federation: security token exchange, then, if configured, impersonation. */
export function workloadIdentityToken(identity: WorkloadIdentity, deps: TokenDeps = {}): TokenSource {
  const { fetch: doFetch = fetch, now_ms = Date.now } = deps
  const { audience, subject_token_type, impersonation_url } = identity
  return cached(async () => {
    const body = new URLSearchParams({
      grant_type: 'urn:ietf:params:oauth:grant-type:token-exchange',
      requested_token_type: 'urn:ietf:params:oauth:token-type:access_token',
      audience,
      scope: impersonation_url === undefined ? SCOPE : 'https://www.googleapis.com/auth/cloud-platform',
      subject_token_type,
      subject_token: await identity.subjectToken(),
    })
    const url = identity.token_url ?? 'https://sts.googleapis.com/v1/token'
    const federated = await issuedBy(
      'the token exchange',
      doFetch(url, withTimeout({ method: 'POST', body })),
    )
    if (impersonation_url === undefined) return federated
    return impersonated(
      await answerOf(
        'the impersonation endpoint',
        doFetch(
          impersonation_url,
          withTimeout({
            method: 'POST',
            headers: {
              authorization: `Bearer ${federated.access_token}`,
              'content-type': 'application/json',
            },
            body: JSON.stringify({ scope: [SCOPE], lifetime: '3600s' }),
          }),
        ),
      ),
      now_ms(),
    )
  }, now_ms)
}

function impersonated(answer: Readonly<Record<string, unknown>>, now_ms: number): Issued {
  const { accessToken, expireTime } = answer
  const until_ms = typeof expireTime === 'string' ? Date.parse(expireTime) : Number.NaN
  if (typeof accessToken !== 'string' || Number.isNaN(until_ms)) throw unusable('the impersonation endpoint')
  return { access_token: accessToken, expires_in_s: (until_ms - now_ms) / 1000 }
}

async function issuedBy(who: string, call: Promise<Response>): Promise<Issued> {
  const { access_token, expires_in } = await answerOf(who, call)
  if (typeof access_token !== 'string' || typeof expires_in !== 'number') throw unusable(who)
  return { access_token, expires_in_s: expires_in }
}

/** A refusal is `denied`; a server that does not answer is `unavailable`. Neither shows what was sent. */
async function answerOf(who: string, call: Promise<Response>): Promise<Readonly<Record<string, unknown>>> {
  let response: Response
  try {
    response = await call
  } catch (cause) {
    throw new StoreError('unavailable', 'credentials', `${who} did not answer: ${causeText(cause)}`, {
      cause,
    })
  }
  if (response.status >= 500 || response.status === 429) {
    throw new StoreError('unavailable', 'credentials', `${who} answered ${response.status}`)
  }
  if (response.status !== 200) {
    throw new StoreError('denied', 'credentials', `${who} refused with ${response.status}`)
  }
  const body: unknown = await response.json().catch(() => null)
  if (typeof body !== 'object' || body === null) throw unusable(who)
  return body as Readonly<Record<string, unknown>>
}

function unusable(who: string): StoreError {
  return new StoreError('unavailable', 'credentials', `${who} answered without a token`)
}

function withTimeout(init: RequestInit): RequestInit {
  return { ...init, redirect: 'manual', signal: AbortSignal.timeout(TIMEOUT_MS) }
}
