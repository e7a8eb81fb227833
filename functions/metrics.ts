/** GET /metrics: the counters as Prometheus text, and who may see them (spec/http-api.md 8). */
import { equalInConstantTime } from './auth/internal.ts'
import { bearerOf } from './auth/bearer.ts'
import { refuse, type Handler } from './handler.ts'
import type { AppMetrics } from './metrics/catalogue.ts'

/**
 * Who may see them. `hidden`: nobody, and nobody is told that they are there (public posture). `off`: nobody, as they are
 * switched off. `open`: everybody who reaches the service. Otherwise whoever brings the secret.
 */
export type MetricsAccess = 'hidden' | 'off' | 'open' | { readonly secret: string }

/** What every unknown path is answered with. */
export const NO_SUCH_ROUTE = 'no such route; GET /docs lists them'

/** A handler for one app. */
export function metricsHandler(metrics: AppMetrics, access: MetricsAccess): Handler {
  return async (call) => {
    if (access === 'hidden') return refuse(call, { reason: 'route_not_found', detail: NO_SUCH_ROUTE })
    if (access === 'off')
      return refuse(call, { reason: 'storage_unavailable', detail: 'Metrics not initialized' })
    if (access !== 'open' && !(await bringsSecret(call.request.headers, access.secret))) {
      return refuse(call, {
        reason: 'forbidden',
        detail: 'expected the metrics secret in X-Metrics-Secret or as a bearer token',
      })
    }
    return new Response(metrics.text(), { headers: { 'content-type': 'text/plain; charset=utf-8' } })
  }
}

/** Digests of one length are compared, in constant time, whichever header has the secret (S9). */
async function bringsSecret(headers: Headers, secret: string): Promise<boolean> {
  const bearer = bearerOf(headers)
  const brought = [headers.get('x-metrics-secret') ?? '', bearer.found === 'token' ? bearer.token : '']
  const expected = await digestOf(secret)
  let is_known = false
  for (const text of brought) is_known = equalInConstantTime(await digestOf(text), expected) || is_known
  return is_known
}

async function digestOf(text: string): Promise<Uint8Array> {
  return new Uint8Array(await crypto.subtle.digest('SHA-256', new TextEncoder().encode(text)))
}
