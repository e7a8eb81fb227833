/**
 * The gates of a running service: what can be seen of it over HTTP, and those that it runs over its own store when it is asked
 * to (`POST /internal/gates`).
 */
import type { GateResult } from '../lib/gates/gate.ts'
import type { GatesOptions, GatesReport } from '../lib/gates/run-gates.ts'

/** A service, and the token of its internal routes where it asks for one. */
export interface ServiceAddress {
  readonly url: string
  readonly token: string | null
}

/** How long a service may take for all gates, ms. */
const ANSWER_MS = 600_000
/** How long it may take for anything else, ms. */
const LOOK_MS = 10_000

/** The report; a text when the service could not be asked. Rejects when it cannot be reached. */
export async function serviceGates(
  { url, token }: ServiceAddress,
  { onGate, signal }: GatesOptions,
): Promise<GatesReport | string> {
  const ask = async (path: string, within_ms: number, init: RequestInit = {}): Promise<Response> =>
    fetch(new URL(path, url), {
      ...init,
      redirect: 'error',
      signal: AbortSignal.any([AbortSignal.timeout(within_ms), ...(signal === undefined ? [] : [signal])]),
    })
  const observed = [await isReady(ask), ...(token === null ? [] : [await isClosed(ask)])]
  for (const gate of observed) onGate?.(gate)
  const answer = await ask('/internal/gates', ANSWER_MS, {
    method: 'POST',
    headers: {
      'content-type': 'application/json',
      ...(token === null ? {} : { authorization: `Bearer ${token}` }),
    },
    body: JSON.stringify({ reason: 'npm run gates' }),
  })
  if (answer.status !== 200)
    return `POST /internal/gates answered ${answer.status}: ${await detailOf(answer)}`
  const report = (await answer.json()) as GatesReport
  for (const gate of report.gates) onGate?.(gate)
  const gates = [...observed, ...report.gates]
  const is_broken = observed.some(({ verdict }) => verdict === 'broken')
  const is_open = observed.some(({ verdict }) => verdict === 'undecided')
  const conclusion = is_broken
    ? 'broken'
    : is_open && report.conclusion === 'held'
      ? 'undecided'
      : report.conclusion
  return { ...report, conclusion, gates }
}

type Ask = (path: string, within_ms: number, init?: RequestInit) => Promise<Response>

async function isReady(ask: Ask): Promise<GateResult> {
  const answer = await ask('/ready', LOOK_MS)
  const seen = { id: 'service-ready', promise: 'The service reaches its store and may write to it' } as const
  return answer.status === 200
    ? { ...seen, verdict: 'holds', evidence: 'GET /ready answered 200' }
    : {
        ...seen,
        verdict: 'undecided',
        evidence: `GET /ready answered ${answer.status}: ${await detailOf(answer)}`,
      }
}

async function isClosed(ask: Ask): Promise<GateResult> {
  const { status } = await ask('/internal/locks/orchestration', LOOK_MS)
  const seen = {
    id: 'service-closed',
    promise: 'Internal routes answer nobody without a token (S5, S6)',
  } as const
  return status === 401 || status === 403
    ? {
        ...seen,
        verdict: 'holds',
        evidence: `GET /internal/locks/orchestration without a token answered ${status}`,
      }
    : {
        ...seen,
        verdict: 'broken',
        evidence: `GET /internal/locks/orchestration without a token: expected 401, saw ${status}`,
      }
}

/** What a problem says, or nothing. */
async function detailOf(answer: Response): Promise<string> {
  try {
    const body = (await answer.json()) as { readonly detail?: unknown }
    return typeof body.detail === 'string' ? body.detail : 'no detail'
  } catch {
    return 'no problem document'
  }
}
