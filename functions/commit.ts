/** POST …/commits: commit a staged payload, or answer again what a key was answered before (spec/http-api.md 4.2). */
import * as z from 'zod'
import { commit } from '../lib/protocol/delta/commit.ts'
import { parseCommitInput } from '../lib/protocol/delta/commit-input.ts'
import { COMMIT_BODY_BYTES_MAX } from './body.ts'
import { sha256Hex } from './environment.ts'
import { bodyOf, json, perform, refuse, type Call } from './handler.ts'
import { problemOf } from './problem.ts'

/** What a commit is answered with, the first time and every time its key is sent again. */
export const Committed = z.object({
  version: z.int().min(0).meta({ description: 'The version that the commit has in the log' }),
  delta_log_path: z.string().meta({ description: 'The log entry, relative to the scope' }),
})

/** The key comes in the header or in the body. */
export async function handleCommit(call: Call): Promise<Response> {
  const { service, request, table_id } = call
  const body = await bodyOf(call, COMMIT_BODY_BYTES_MAX)
  if (body instanceof Response) return body
  const input = parseCommitInput({ table_id, header_key: request.headers.get('idempotency-key'), body })
  if (!input.ok) return refuse(call, input)
  call.facts['table_id'] = input.value.table_id
  // The name under which the marker lies in the bucket; the key itself is never logged.
  call.facts['key_sha256'] = await sha256Hex(new TextEncoder().encode(input.value.idempotency_key))
  const result = await perform(call, commit(input.value, service.settings, service.store.capabilities))
  if (!result.ok) return refuse(call, problemOf(result))
  const { version, delta_log_path, replayed } = result
  call.facts['outcome'] = replayed ? 'replayed' : 'committed'
  call.facts['version'] = version
  const answer = { version, delta_log_path } satisfies z.infer<typeof Committed>
  return json(answer, replayed ? { 'idempotent-replayed': 'true' } : {})
}
