/**
 * The signed webhook of the health check (docs/health.md). The signature covers the time and the body: a receiver that refuses old
 * times cannot be fooled with an old report. A redirect is not followed, since it would take the report somewhere else.
 */
import type { WebhookSettings } from './health-settings.ts'

/** Headers of a delivery. */
export const TIMESTAMP_HEADER = 'x-tidemark-timestamp'
export const SIGNATURE_HEADER = 'x-tidemark-signature'
export const DELIVERY_HEADER = 'x-tidemark-delivery'

const ATTEMPT_MS = 10_000
const ATTEMPTS_MAX = 3
/** Before the second attempt, ms; twice as long before the third. */
const PAUSE_MS = 500

/** One report on its way. */
export interface Delivery {
  /** The same in every attempt: a receiver that has seen it may drop it. */
  readonly id: string
  readonly body: string
  /** How long one attempt may take, ms; 10 s unless told. */
  readonly attempt_ms?: number
  now(): number
  sleep(ms: number): Promise<void>
}

/** How it ended; `why` has no text of the receiver. */
export type Delivered = { readonly ok: true } | { readonly ok: false; readonly why: string }

/** Send it, a few times if need be. Never throws. */
export async function deliver(webhook: WebhookSettings, delivery: Delivery): Promise<Delivered> {
  let why = ''
  for (let attempt = 1; attempt <= ATTEMPTS_MAX; attempt++) {
    if (attempt > 1) await delivery.sleep(PAUSE_MS * 2 ** (attempt - 2))
    const status = await send(webhook, delivery)
    if (typeof status === 'string') why = status
    else if (status >= 200 && status < 300) return { ok: true }
    else why = `the receiver answered ${status}`
    // What a receiver refuses once it refuses again.
    if (typeof status === 'number' && status < 500 && status !== 408 && status !== 429) break
  }
  return { ok: false, why }
}

/** The status, or why there is none. */
async function send(
  { url, secret }: WebhookSettings,
  { id, body, now, attempt_ms = ATTEMPT_MS }: Delivery,
): Promise<number | string> {
  const timestamp = String(Math.floor(now() / 1_000))
  try {
    const response = await fetch(url, {
      method: 'POST',
      headers: {
        'content-type': 'application/json',
        [TIMESTAMP_HEADER]: timestamp,
        [SIGNATURE_HEADER]: `sha256=${await signatureOf(secret, `${timestamp}.${body}`)}`,
        [DELIVERY_HEADER]: id,
      },
      body,
      redirect: 'manual',
      signal: AbortSignal.timeout(attempt_ms),
    })
    await response.body?.cancel()
    // A redirect that is not followed has status 0 in some runtimes.
    return response.status === 0 ? 302 : response.status
  } catch (error) {
    const is_late = error instanceof Error && error.name === 'TimeoutError'
    return is_late ? `no answer within ${attempt_ms / 1_000} s` : 'the receiver cannot be reached'
  }
}

/** HMAC-SHA256, lower-case hex. */
async function signatureOf(secret: string, text: string): Promise<string> {
  const bytes = new TextEncoder()
  const algorithm = { name: 'HMAC', hash: 'SHA-256' }
  const key = await crypto.subtle.importKey('raw', bytes.encode(secret), algorithm, false, ['sign'])
  const signature = await crypto.subtle.sign('HMAC', key, bytes.encode(text))
  return Array.from(new Uint8Array(signature), (byte) => byte.toString(16).padStart(2, '0')).join('')
}
