/**
 * The dev posture asks for no credentials, so it is for this very machine. `functions/entry/node.ts` listens on a loopback
 * address only; a runtime that does not choose its own address asks here about each request.
 */
import type { App } from '../app.ts'
import type { Problem } from '../problem.ts'
import type { Started } from './on-demand.ts'

const ELSEWHERE: Problem = {
  reason: 'forbidden',
  detail:
    'the dev posture asks for no credentials and answers this machine only; name another posture with ARCO_ENVIRONMENT and ARCO_API_PUBLIC',
}

/** The refusal of a request in the dev posture that is not from here, or null. */
export function elsewhereResponse(
  { app, config }: Pick<Started, 'config'> & { readonly app: Pick<App, 'refuse'> },
  is_local: boolean,
): Response | null {
  return config.auth.posture === 'dev' && !is_local ? app.refuse(ELSEWHERE) : null
}

/** Whether a peer's address is of this machine. */
export function isLoopbackAddress(address: string | undefined): boolean {
  return address !== undefined && /^(::ffff:)?127\.|^::1$/.test(address)
}

/** Whether a request is addressed to this machine, where the platform finds the service by its name and nothing else. */
export function isLoopbackUrl(url: string): boolean {
  return /^(127(\.\d{1,3}){3}|localhost|\[::1\])$/.test(new URL(url).hostname)
}
