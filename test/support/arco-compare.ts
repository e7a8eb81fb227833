/** Comparing what Tidemark stores with what Arco stores: equal but for the additive members of spec/coordinator.md 3. */
import { isJsonObject, parseJson, stringifyJson, type JsonObject } from '../../lib/protocol/json.ts'

/** Members that only Tidemark writes; the lists of spec/coordinator.md 3.1 and 3.2 are complete (J-3). */
const ADDITIVE = {
  state: ['last_commit', 'revision'],
  inflight: ['payload_sha256', 'delta_log_path', 'nonce'],
  marker: ['payload_sha256', 'read_version', 'staged_path', 'staged_version', 'recovered_from_log'],
} as const

/**
 * The text of a stored object as Arco would have written it: the additive members taken out, every other member where
 * and as it is. Log entries and staged payloads are returned as they are.
 */
export function withoutAdditive(path: string, text: string): string {
  if (path.startsWith('delta/idempotency/')) return stringifyJson(omit(documentOf(text), ADDITIVE.marker))
  if (!path.startsWith('delta/coordinator/')) return text
  const state = omit(documentOf(text), ADDITIVE.state)
  const { inflight } = state
  return stringifyJson(
    isJsonObject(inflight) ? { ...state, inflight: omit(inflight, ADDITIVE.inflight) } : state,
  )
}

function documentOf(text: string): JsonObject {
  const document = parseJson(text)
  if (!isJsonObject(document)) throw new Error('expected a JSON object')
  return document
}

function omit(document: JsonObject, names: readonly string[]): JsonObject {
  return Object.fromEntries(Object.entries(document).filter(([name]) => !names.includes(name)))
}

/** Whether additive members only follow Arco's: its text, up to the closing braces, begins ours. */
export function beginsAsArco(ours: string, arco: string): boolean {
  return ours.startsWith(arco.replace(/\}+$/, ''))
}
