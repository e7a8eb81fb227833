/** A remote key set (S8): fixed URL, bounded answer, cached; an unknown key or a dead issuer costs one fetch a cooldown. */
import { createRemoteJWKSet, customFetch, type JWTVerifyGetKey } from 'jose'
import { isJsonObject, parseJson } from '../../lib/protocol/json.ts'

/** Where the keys are and how long they are trusted. */
export interface JwksOptions {
  readonly url: string
  readonly cache_ms: number
  /** Another fetch, for tests. */
  readonly fetch?: typeof fetch
}

/** The key set could not be fetched; an outage of the issuer, not a bad token. */
export class JwksUnavailable extends Error {
  constructor(options?: ErrorOptions) {
    super('the key set could not be fetched', options)
    this.name = 'JwksUnavailable'
  }
}

const COOLDOWN_MS = 30_000
const TIMEOUT_MS = 10_000
const BYTES_MAX = 256 * 1024

/** A key finder over one key set. */
export function remoteJwks({ url, cache_ms, fetch: fetchKeys = fetch }: JwksOptions): JWTVerifyGetKey {
  let failed_at_ms: number | null = null

  async function fetchBounded(input: string, init?: RequestInit): Promise<Response> {
    if (failed_at_ms !== null && performance.now() - failed_at_ms < COOLDOWN_MS) throw new JwksUnavailable()
    try {
      const response = await fetchKeys(input, { ...init, redirect: 'manual' })
      const text = await readBounded(response)
      if (response.status !== 200 || !isKeySet(text)) throw new JwksUnavailable()
      failed_at_ms = null
      return new Response(text, { status: 200, headers: { 'content-type': 'application/json' } })
    } catch (cause) {
      failed_at_ms = performance.now()
      throw cause instanceof JwksUnavailable ? cause : new JwksUnavailable({ cause })
    }
  }

  return createRemoteJWKSet(new URL(url), {
    cacheMaxAge: cache_ms,
    cooldownDuration: COOLDOWN_MS,
    timeoutDuration: TIMEOUT_MS,
    [customFetch]: fetchBounded,
  })
}

/** jose would ask again at once for an answer that is no key set. */
function isKeySet(text: string): boolean {
  const set = parseJson(text)
  return isJsonObject(set) && Array.isArray(set['keys']) && set['keys'].every((key) => isJsonObject(key))
}

async function readBounded(response: Response): Promise<string> {
  const reader = response.body?.getReader()
  if (reader === undefined) return ''
  const decoder = new TextDecoder()
  let text = ''
  let size = 0
  for (;;) {
    const { done, value } = await reader.read()
    if (done) return text + decoder.decode()
    size += value.length
    if (size > BYTES_MAX) {
      await reader.cancel()
      throw new JwksUnavailable()
    }
    text += decoder.decode(value, { stream: true })
  }
}
