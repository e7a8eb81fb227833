/** The commit routes as a client calls them, where any call may end without an answer. */

/** An answer, or null when the connection ended or nothing came in time. */
export type WireAnswer = { readonly status: number; readonly body: string } | null

/** Longer than any request may take (`deadline_ms`), so that a server that hangs is noticed. */
const PATIENCE_MS = 10_000

/** Send one request. */
export async function call(
  method: 'GET' | 'POST',
  url: string,
  body?: Readonly<Record<string, unknown>>,
): Promise<WireAnswer> {
  try {
    const response = await fetch(url, {
      method,
      signal: AbortSignal.timeout(PATIENCE_MS),
      ...(body === undefined
        ? {}
        : { headers: { 'content-type': 'application/json' }, body: JSON.stringify(body) }),
    })
    return { status: response.status, body: await response.text() }
  } catch {
    // The server was killed before, while or after it did what was asked: nobody knows.
    return null
  }
}

/** A JSON object of an answer. */
export function members(answer: WireAnswer): Readonly<Record<string, unknown>> {
  return answer === null ? {} : JSON.parse(answer.body)
}
