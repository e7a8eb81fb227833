/**
 * The independent checker: is what a soak left behind what the specification promises? Written from
 * spec/correctness.md 6 and spec/coordinator.md 3, 4, 7; it shares no code with what it judges.
 */
import { createHash } from 'node:crypto'
import { rowsAdded } from './delta-commit.ts'
import { membersOf, type AskedRequest, type Evidence, type TableObjects } from './evidence.ts'
import type { AnswerLine } from './journal.ts'

/** A promise that was broken. */
export interface Violation {
  /** The invariant of spec/correctness.md 6, or the id of another rule. */
  readonly rule: string
  readonly what: string
}

/** Every violation, rule by rule. */
export function check(evidence: Evidence): readonly Violation[] {
  return RULES.flatMap(({ rule, find }) => find(evidence).map((what) => ({ rule, what })))
}

/** The invariants and who looks for their violations. */
const RULES: readonly { readonly rule: string; find(evidence: Evidence): string[] }[] = [
  { rule: 'C1', find: lostCommits },
  { rule: 'C3', find: holes },
  { rule: 'C4', find: wrongStates },
  { rule: 'C5', find: skippedVersions },
  { rule: 'C6', find: wrongMarkers },
  { rule: 'C7', find: changedAnswers },
  { rule: 'C8', find: doubledPayloads },
  { rule: 'C9', find: secondBodies },
  { rule: 'C10', find: missingMarkers },
  { rule: 'C11', find: falseRefusals },
  { rule: 'C12', find: openRequests },
  { rule: 'C13', find: leftReservations },
  { rule: 'C14', find: wedgedTables },
  { rule: 'C15', find: turnedBackTime },
  { rule: 'C16', find: strayObjects },
  { rule: 'C20', find: changedStagedObjects },
  { rule: 'http-api 6.2', find: unexpectedAnswers },
  { rule: 'readers', find: otherReadings },
]

/** What is checked, for the test that each rule is seen to fail. */
export const CHECKED: readonly string[] = RULES.map(({ rule }) => rule)

/** Refusals that promise: this key and body are not in the log and never will be (spec/coordinator.md 8). */
const DEFINITE: ReadonlySet<string> = new Set([
  'stale_read_version',
  'key_reuse',
  'log_conflict',
  'version_overflow',
])

/** Refusals after which the same request is sent again. Killed processes are no reason for any other one. */
const REPEATED: ReadonlySet<string> = new Set([
  'reserved',
  'contention',
  'outcome_unknown',
  'storage_unavailable',
  'throttled',
])

function lostCommits({ requests, tables }: Evidence): string[] {
  return committed(requests).flatMap(({ request, answer }) => {
    const { version, delta_log_path } = answer
    if (delta_log_path !== logPath(request.table_id, version))
      return [`${nameOf(request)} was told the path ${delta_log_path} for ${version}`]
    const entry = tables.get(request.table_id)?.log.get(version)
    return entry === request.payload
      ? []
      : [
          `${nameOf(request)} was told version ${version}, which ${entry === undefined ? 'is not there' : 'holds other bytes'}`,
        ]
  })
}

function holes({ tables }: Evidence): string[] {
  return all(tables).flatMap(({ table_id, log }) => {
    const missing = Array.from({ length: latestOf(log) + 1 }, (_, version) => version).filter(
      (version) => !log.has(version),
    )
    return missing.map((version) => `table ${table_id} has no version ${version} below ${latestOf(log)}`)
  })
}

/** Without a reservation the state shows the newest log entry. */
function wrongStates({ tables }: Evidence): string[] {
  return all(tables)
    .filter(({ state, log }) => (membersOf(state ?? '')['latest_version'] ?? -1) !== latestOf(log))
    .map(
      ({ table_id, state, log }) =>
        `table ${table_id} has the log up to ${latestOf(log)} and the state ${state}`,
    )
}

function leftReservations({ tables }: Evidence): string[] {
  return all(tables)
    .filter(({ state }) => (membersOf(state ?? '')['inflight'] ?? null) !== null)
    .map(({ table_id, state }) => `table ${table_id} is at rest and has the state ${state}`)
}

function skippedVersions({ requests }: Evidence): string[] {
  return committed(requests)
    .filter(({ request, answer }) => answer.version !== request.read_version + 1)
    .map(
      ({ request, answer }) => `${nameOf(request)} read ${request.read_version}, was told ${answer.version}`,
    )
}

function wrongMarkers({ tables, requests }: Evidence): string[] {
  const by_hash = Map.groupBy(requests, ({ idempotency_key }) => sha256(idempotency_key))
  return all(tables).flatMap(({ table_id, markers, log }) =>
    Array.from(markers).flatMap(([hash, text]) => {
      const marker = membersOf(text)
      const payload = log.get(Number(marker['version']))
      const owner = by_hash.get(hash)?.find((request) => request.payload === payload)
      if (owner === undefined)
        return [`marker ${hash} of table ${table_id} names a version that is not its key's`]
      const expected = {
        idempotency_key: owner.idempotency_key,
        idempotency_key_hash: hash,
        request_hash: requestHash(owner),
        delta_log_path: logPath(table_id, Number(marker['version'])),
        // Optional; an older writer leaves it out.
        ...(marker['payload_sha256'] === undefined ? {} : { payload_sha256: sha256(owner.payload) }),
      }
      const wrong = Object.entries(expected).filter(([name, value]) => marker[name] !== value)
      return wrong.map(([name]) => `marker ${hash} of table ${table_id} has another ${name} than its request`)
    }),
  )
}

function changedAnswers({ requests }: Evidence): string[] {
  return all(Map.groupBy(requests, ({ idempotency_key }) => idempotency_key)).flatMap((of_key) => {
    const answers = new Set(of_key.flatMap(({ answers: each }) => each.filter(isOk).map(({ body }) => body)))
    return answers.size > 1
      ? [`key of ${nameOf(of_key[0])} was answered ${Array.from(answers).join(' and ')}`]
      : []
  })
}

function doubledPayloads({ tables }: Evidence): string[] {
  const entries = all(tables).flatMap(({ table_id, log }) =>
    Array.from(log, ([version, payload]) => ({ payload, at: `${table_id}@${version}` })),
  )
  return all(Map.groupBy(entries, ({ payload }) => payload))
    .filter((same) => same.length > 1)
    .map((same) => `one payload is in the log at ${same.map(({ at }) => at).join(' and ')}`)
}

/** One key, one body: in the log, and in what was answered 200. */
function secondBodies({ tables, requests }: Evidence): string[] {
  const logged = new Set(all(tables).flatMap(({ log }) => all(log)))
  return all(Map.groupBy(requests, ({ idempotency_key }) => idempotency_key)).flatMap((of_key) => {
    const accepted = of_key.filter(({ payload, answers }) => logged.has(payload) || answers.some(isOk))
    return accepted.length > 1 ? [`${accepted.map(nameOf).join(' and ')} share a key and both count`] : []
  })
}

/** Every log entry is somebody's, and once its table is finalized its marker is there. */
function missingMarkers({ tables, requests }: Evidence): string[] {
  const by_payload = new Map(requests.map((request) => [request.payload, request]))
  return all(tables).flatMap(({ table_id, log, markers }) =>
    Array.from(log).flatMap(([version, payload]) => {
      const owner = by_payload.get(payload)
      if (owner?.table_id !== table_id) return [`version ${version} of table ${table_id} is nobody's payload`]
      const marker = membersOf(markers.get(sha256(owner.idempotency_key)) ?? '{}')
      return marker['version'] === version ? [] : [`version ${version} of table ${table_id} has no marker`]
    }),
  )
}

function falseRefusals({ tables, requests }: Evidence): string[] {
  const logged = new Set(all(tables).flatMap(({ log }) => all(log)))
  return requests.flatMap((request) => {
    const refusal = request.answers.map(reasonOf).find((reason) => reason !== null && DEFINITE.has(reason))
    return refusal !== undefined && logged.has(request.payload)
      ? [`${nameOf(request)} was refused with ${refusal} and is in the log`]
      : []
  })
}

/** Every request was sent until its answer was 200 or definite. */
function openRequests({ requests }: Evidence): string[] {
  return requests
    .filter(({ answers }) => !answers.some((answer) => isOk(answer) || DEFINITE.has(reasonOf(answer) ?? '')))
    .map((request) => `${nameOf(request)} never got a definite answer`)
}

function wedgedTables({ tables, requests }: Evidence): string[] {
  const probed = new Set(
    requests
      .filter(({ purpose, answers }) => purpose === 'probe' && answers.some(isOk))
      .map(({ table_id }) => table_id),
  )
  return Array.from(tables.keys())
    .filter((table_id) => !probed.has(table_id))
    .map((table_id) => `table ${table_id} took no fresh commit after the last kill`)
}

/** What one client was told is the past of whatever any client sends afterwards. */
function turnedBackTime({ requests }: Evidence): string[] {
  return all(Map.groupBy(requests, ({ table_id }) => table_id)).flatMap((of_table) => {
    const told = committed(of_table)
      .map(({ answer, received_at_ms }) => ({ version: answer.version, received_at_ms }))
      .toSorted((a, b) => a.received_at_ms - b.received_at_ms)
    let known = -1
    const past = told.map(({ version, received_at_ms }) => {
      known = Math.max(known, version)
      return { known, received_at_ms }
    })
    const knownAt = (ms: number): number =>
      past.findLast(({ received_at_ms }) => received_at_ms < ms)?.known ?? -1
    return of_table.flatMap((request) => {
      const first_sent_at_ms = Math.min(...request.answers.map(({ sent_at_ms }) => sent_at_ms))
      return request.answers.flatMap((answer) => {
        const body = membersOf(answer.body)
        const version = isOk(answer) ? Number(body['version']) : null
        const latest = reasonOf(answer) === 'stale_read_version' ? Number(body['latest_version']) : null
        const is_old =
          (version !== null && version <= knownAt(first_sent_at_ms)) ||
          (latest !== null && !(latest >= Math.max(knownAt(answer.sent_at_ms), request.read_version + 1)))
        return is_old ? [`${nameOf(request)} got an answer from before another one: ${answer.body}`] : []
      })
    })
  })
}

function strayObjects({ strays }: Evidence): string[] {
  return strays.map((key) => `${key} is no object of a commit`)
}

function changedStagedObjects({ tables, requests }: Evidence): string[] {
  return requests
    .filter(({ table_id, staged_path, payload }) => tables.get(table_id)?.staged.get(staged_path) !== payload)
    .map((request) => `${nameOf(request)}: its staged object is not what was staged`)
}

function unexpectedAnswers({ requests }: Evidence): string[] {
  return requests.flatMap((request) =>
    request.answers.flatMap((answer) => {
      const reason = reasonOf(answer)
      if (answer.status === null || isOk(answer) || (reason !== null && REPEATED.has(reason))) return []
      // Nobody but the coordinator writes these logs, and only a reuse takes somebody else's key.
      const expected = request.purpose === 'reuse' ? 'key_reuse' : 'stale_read_version'
      return reason === expected ? [] : [`${nameOf(request)} was answered ${answer.status} ${answer.body}`]
    }),
  )
}

/** Other implementations find in each table the rows of the acknowledged commits, each once, and nothing else. */
function otherReadings({ requests, readings }: Evidence): string[] {
  const by_table = Map.groupBy(committed(requests), ({ request }) => request.table_id)
  return readings.flatMap(({ reader, tables, error }) => {
    if (error !== undefined) return [`${reader} cannot read the tables: ${error}`]
    return Array.from(by_table).flatMap(([table_id, commits]) => {
      const found = tables[table_id]
      if (found === undefined) return [`${reader} was not shown table ${table_id}`]
      const latest = Math.max(...commits.map(({ answer }) => answer.version))
      const wanted = new Set(commits.flatMap(({ request }) => rowsAdded(request.payload)))
      const missing = Array.from(wanted).filter((row) => !found.rows.includes(row))
      const strange = found.rows.filter((row, at) => !wanted.has(row) || found.rows.indexOf(row) !== at)
      return [
        ...(found.version === latest
          ? []
          : [`${reader} reads table ${table_id} at ${found.version}, not ${latest}`]),
        ...missing.map((row) => `${reader} does not find row ${row} in table ${table_id}`),
        ...strange.map(
          (row) => `${reader} finds row ${row} in table ${table_id}, which nobody committed once`,
        ),
      ]
    })
  })
}

/** Every 200, with its body. */
function committed(requests: readonly AskedRequest[]): {
  readonly request: AskedRequest
  readonly answer: { readonly version: number; readonly delta_log_path: string }
  readonly received_at_ms: number
}[] {
  return requests.flatMap((request) =>
    request.answers.filter(isOk).map(({ body, received_at_ms }) => {
      const { version, delta_log_path } = membersOf(body)
      return {
        request,
        answer: { version: Number(version), delta_log_path: String(delta_log_path) },
        received_at_ms,
      }
    }),
  )
}

function isOk({ status }: AnswerLine): boolean {
  return status === 200
}

function reasonOf({ status, body }: AnswerLine): string | null {
  return status === null || status === 200 ? null : String(membersOf(body)['reason'])
}

function logPath(table_id: string, version: number): string {
  return `tables/${table_id}/_delta_log/${String(version).padStart(20, '0')}.json`
}

function latestOf(log: TableObjects['log']): number {
  return Math.max(-1, ...log.keys())
}

/** RFC 8785 of four members whose names are in order and whose values need no care (spec/coordinator.md 4.1). */
function requestHash({ idempotency_key, read_version, staged_path, payload }: AskedRequest): string {
  return sha256(
    JSON.stringify({ idempotency_key, read_version, staged_path, staged_payload_sha256: sha256(payload) }),
  )
}

function sha256(text: string): string {
  return createHash('sha256').update(text).digest('hex')
}

function nameOf(request: AskedRequest | undefined): string {
  return request === undefined ? 'nobody' : `request ${request.request} on table ${request.table_id}`
}

function all<T>(map: ReadonlyMap<unknown, T>): T[] {
  return Array.from(map.values())
}
