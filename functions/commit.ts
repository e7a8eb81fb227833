/** POST …/commits: commit a staged payload, or answer again what a key was answered before (spec/http-api.md 4.2). */
import * as z from 'zod'
import { commit } from '../lib/protocol/delta/commit.ts'
import { parseCommitInput } from '../lib/protocol/delta/commit-input.ts'
import type { CommitRequest } from '../lib/protocol/delta/request.ts'
import { COMMIT_BODY_BYTES_MAX } from './body.ts'
import { sha256Hex } from './environment.ts'
import { bodyOf, inTurn, json, perform, refuse, type Call } from './handler.ts'
import { problemOf } from './problem.ts'

/** What a commit is answered with, the first time and every time its key is sent again. */
export const Committed = z.object({
  version: z.int().min(0).meta({ description: 'The version that the commit has in the log' }),
  delta_log_path: z.string().meta({ description: 'The log entry, relative to the scope' }),
})

/** The key comes in the header or in the body. */
export async function handleCommit(call: Call): Promise<Response> {
  const { request, table_id } = call
  const header_key = request.headers.get('idempotency-key')
  const body = await bodyOf(call, COMMIT_BODY_BYTES_MAX, ({ idempotency_key }) => ({
    commit_key: header_key ?? idempotency_key,
  }))
  if (body instanceof Response) return body
  const input = parseCommitInput({ table_id, header_key, body })
  if (!input.ok) return refuse(call, input)
  call.facts['table_id'] = input.value.table_id
  // The name under which the marker lies in the bucket; the key itself is never logged.
  call.facts['key_sha256'] = await sha256Hex(new TextEncoder().encode(input.value.idempotency_key))
  return inTurn(call, input.value.table_id, async () => committed(call, input.value))
}

async function committed(call: Call, input: CommitRequest): Promise<Response> {
  const { settings, store } = call.service
  const result = await perform(call, commit(input, settings, store.capabilities))
  if (!result.ok) return refuse(call, problemOf(result))
  const { version, delta_log_path, replayed } = result
  call.facts['outcome'] = replayed ? 'replayed' : 'committed'
  call.facts['version'] = version
  const answer = { version, delta_log_path } satisfies z.infer<typeof Committed>
  return json(answer, replayed ? { 'idempotent-replayed': 'true' } : {})
}
