/** A small run that kept every promise, written from the specification, and everything that can go wrong in it. */
import { createHash } from 'node:crypto'
import type { JournalLine, RequestLine } from './journal.ts'
import type { Reading } from './readings.ts'

const TABLE = '0194f5a0-1c00-7c3d-9b1e-2f6a4d8e0c11'
const STATE = `delta/coordinator/${TABLE}.json`

/** A run as it lies on disk: objects by path, journal lines, and what others read. Plants change it. */
export interface Run {
  readonly objects: Map<string, string>
  readonly lines: JournalLine[]
  readonly readings: Reading[]
}

function sha256(text: string): string {
  return createHash('sha256').update(text).digest('hex')
}

function logPath(version: number): string {
  return `tables/${TABLE}/_delta_log/${String(version).padStart(20, '0')}.json`
}

/** The `at`th request of the run. */
function requestAt(at: number, differs: Partial<RequestLine> = {}): RequestLine {
  return {
    what: 'request',
    request: `client-${at}`,
    purpose: 'commit',
    table_id: TABLE,
    idempotency_key: `0194f5a0-2000-7abc-8def-00000000000${at}`,
    read_version: at - 1,
    staged_path: `delta/staging/${TABLE}/01JKTT0G00Z4N2V8R6W1X3Y5Z${at}.json`,
    staged_version: String(at),
    payload: `{"commitInfo":{"txnId":"${at}"}}\n{"add":{"path":"part-${at}.parquet","stats":"{\\"numRecords\\":2}"}}\n`,
    ...differs,
  }
}

function markerPath({ idempotency_key }: RequestLine): string {
  const hash = sha256(idempotency_key)
  return `delta/idempotency/${TABLE}/${hash.slice(0, 2)}/${hash}.json`
}

/** The members of spec/coordinator.md 3.2. */
function markerOf(request: RequestLine, version: number): Record<string, unknown> {
  const { idempotency_key, read_version, staged_path, payload } = request
  const staged_payload_sha256 = sha256(payload)
  return {
    idempotency_key,
    idempotency_key_hash: sha256(idempotency_key),
    request_hash: sha256(
      `{"idempotency_key":"${idempotency_key}","read_version":${read_version},"staged_path":"${staged_path}","staged_payload_sha256":"${staged_payload_sha256}"}`,
    ),
    version,
    delta_log_path: logPath(version),
    committed_at_ms: 1_739_443_200_450,
    payload_sha256: staged_payload_sha256,
  }
}

function answer(at: number, ms: number, status: number | null, body: unknown): JournalLine {
  return {
    what: 'answer',
    request: `client-${at}`,
    sent_at_ms: ms,
    received_at_ms: ms + 5,
    status,
    body: body === '' ? '' : JSON.stringify(body),
  }
}

const ok = (version: number): unknown => ({ version, delta_log_path: logPath(version) })
const refused = (reason: string, members: Record<string, unknown> = {}): unknown => ({ reason, ...members })

/**
 * Three commits, the last a probe: the first acknowledged at its second try, the second replayed. Then a refused
 * commit that had read too little, and a reuse of the first key.
 */
export function goodRun(): Run {
  const committed = [requestAt(0), requestAt(1), requestAt(2, { purpose: 'probe' })]
  const stale = requestAt(3, { read_version: 0 })
  const reuse = requestAt(4, {
    purpose: 'reuse',
    idempotency_key: requestAt(0).idempotency_key,
    read_version: -1,
  })
  const objects = new Map([[STATE, JSON.stringify({ latest_version: 2, inflight: null, revision: 9 })]])
  for (const [version, request] of committed.entries()) {
    objects.set(logPath(version), request.payload)
    objects.set(markerPath(request), JSON.stringify(markerOf(request, version)))
  }
  for (const { staged_path, payload } of [...committed, stale, reuse]) objects.set(staged_path, payload)
  return {
    objects,
    readings: [readingOf([0, 1, 2])],
    lines: [
      requestAt(0),
      answer(0, 10, null, ''),
      answer(0, 20, 503, refused('outcome_unknown')),
      answer(0, 30, 200, ok(0)),
      requestAt(1),
      answer(1, 40, 409, refused('reserved')),
      answer(1, 50, 200, ok(1)),
      answer(1, 60, 200, ok(1)),
      stale,
      answer(3, 70, 409, refused('stale_read_version', { latest_version: 1 })),
      reuse,
      answer(4, 80, 409, refused('key_reuse')),
      requestAt(2, { purpose: 'probe' }),
      answer(2, 90, 200, ok(2)),
    ],
  }
}

/** What another implementation found: two rows of each of these requests. */
function readingOf(found: readonly number[], version = 2): Reading {
  const rows = found.flatMap((at) => [`part-${at}.parquet#0`, `part-${at}.parquet#1`])
  return { reader: 'another reader', tables: { [TABLE]: { version, rows } } }
}

/** What goes wrong, and every rule that must say so. */
export const PLANTS: readonly {
  readonly what: string
  readonly rules: readonly string[]
  plant(run: Run): void
}[] = [
  {
    what: 'an acknowledged commit at the end of the log is lost',
    rules: ['C1', 'C4', 'C6'],
    plant: ({ objects }) => objects.delete(logPath(2)),
  },
  {
    what: 'an acknowledged commit is overwritten by somebody else',
    rules: ['C1', 'C6', 'C10'],
    plant: ({ objects }) => objects.set(logPath(1), '{"commitInfo":{"txnId":"foreign"}}\n'),
  },
  {
    what: 'the path of an answer is not the path of its version',
    rules: ['C1'],
    plant: (run) => replaceAnswer(run, 2, answer(2, 90, 200, { version: 2, delta_log_path: logPath(1) })),
  },
  {
    what: 'the log has a hole',
    rules: ['C1', 'C3', 'C6'],
    plant: ({ objects }) => objects.delete(logPath(1)),
  },
  {
    what: 'the state is behind the log',
    rules: ['C4'],
    plant: ({ objects }) => objects.set(STATE, '{"latest_version":1,"inflight":null}'),
  },
  {
    what: 'a reservation is left over',
    rules: ['C13'],
    plant: ({ objects }) => objects.set(STATE, '{"latest_version":2,"inflight":{"version":3}}'),
  },
  {
    what: 'the state is gone',
    rules: ['C4'],
    plant: ({ objects }) => objects.delete(STATE),
  },
  {
    what: 'a commit skipped the version after the one that it read',
    rules: ['C5'],
    plant: ({ lines, objects }) => {
      const skipped = requestAt(2, { purpose: 'probe', read_version: 0 })
      lines[lines.findIndex((line) => line.what === 'request' && line.request === 'client-2')] = skipped
      objects.set(markerPath(skipped), JSON.stringify(markerOf(skipped, 2)))
    },
  },
  {
    what: 'a marker names another version',
    rules: ['C6', 'C10'],
    plant: ({ objects }) => {
      objects.set(markerPath(requestAt(1)), JSON.stringify({ ...markerOf(requestAt(1), 1), version: 0 }))
    },
  },
  {
    what: 'a marker has another request hash',
    rules: ['C6'],
    plant: ({ objects }) => {
      const marker = { ...markerOf(requestAt(1), 1), request_hash: sha256('another') }
      objects.set(markerPath(requestAt(1)), JSON.stringify(marker))
    },
  },
  {
    what: 'a marker names another payload',
    rules: ['C6'],
    plant: ({ objects }) => {
      const marker = { ...markerOf(requestAt(1), 1), payload_sha256: sha256('another') }
      objects.set(markerPath(requestAt(1)), JSON.stringify(marker))
    },
  },
  {
    what: 'a replay is answered differently',
    rules: ['C1', 'C5', 'C7', 'C15'],
    plant: ({ lines }) => lines.push(answer(1, 100, 200, ok(0))),
  },
  {
    what: 'a replay has the same values in another form',
    rules: ['C7'],
    plant: ({ lines }) => lines.push(answer(1, 100, 200, { delta_log_path: logPath(1), version: 1 })),
  },
  {
    what: 'a payload is in the log twice',
    rules: ['C8', 'C10'],
    plant: ({ objects }) => {
      objects.set(logPath(3), requestAt(2).payload)
      objects.set(STATE, '{"latest_version":3,"inflight":null}')
    },
  },
  {
    what: 'two bodies of one key are accepted',
    rules: ['C1', 'C6', 'C9', 'C15', 'readers'],
    plant: ({ lines, objects }) => {
      objects.set(logPath(0), requestAt(4).payload)
      lines.splice(
        lines.findIndex((line) => line.what === 'answer' && line.request === 'client-4'),
        1,
      )
      lines.push(answer(4, 80, 200, ok(0)))
    },
  },
  {
    what: 'the marker of a log entry is missing',
    rules: ['C10'],
    plant: ({ objects }) => objects.delete(markerPath(requestAt(1))),
  },
  {
    what: 'a log entry is nobody’s',
    rules: ['C10'],
    plant: ({ objects }) => {
      objects.set(logPath(3), '{"commitInfo":{"txnId":"foreign"}}\n')
      objects.set(STATE, '{"latest_version":3,"inflight":null}')
    },
  },
  {
    what: 'a commit that was refused for good is in the log',
    rules: ['C11'],
    plant: ({ lines }) =>
      lines.push(answer(1, 100, 409, refused('stale_read_version', { latest_version: 2 }))),
  },
  {
    what: 'a request never got a definite answer',
    rules: ['C12'],
    plant: (run) => replaceAnswer(run, 3, answer(3, 70, 409, refused('reserved'))),
  },
  {
    what: 'a table takes no fresh commit any more',
    rules: ['C12', 'C14', 'readers'],
    plant: (run) => replaceAnswer(run, 2, answer(2, 90, 409, refused('reserved'))),
  },
  {
    what: 'a commit got a version that was already known to be taken',
    rules: ['C15'],
    plant: ({ lines }) =>
      lines.splice(lines.length - 1, 1, answer(2, 90, 200, ok(2)), answer(1, 0, 200, ok(1))),
  },
  {
    what: 'a refusal names a latest version from before an acknowledged commit',
    rules: ['C15'],
    plant: (run) => {
      replaceAnswer(run, 3, answer(3, 100, 409, refused('stale_read_version', { latest_version: 1 })))
    },
  },
  {
    what: 'a refusal for a read version that is not stale',
    rules: ['C15'],
    plant: (run) => {
      replaceAnswer(run, 3, answer(3, 70, 409, refused('stale_read_version', { latest_version: 0 })))
    },
  },
  {
    what: 'a temporary file lies among the objects',
    rules: ['C16'],
    plant: ({ objects }) => objects.set(`${logPath(1)}.tmp`, ''),
  },
  {
    what: 'a staged object was changed',
    rules: ['C20'],
    plant: ({ objects }) => objects.set(requestAt(1).staged_path, requestAt(2).payload),
  },
  {
    what: 'a server broke',
    rules: ['http-api 6.2'],
    plant: ({ lines }) => lines.push(answer(1, 100, 500, refused('internal'))),
  },
  {
    what: 'an answer is no problem of ours',
    rules: ['http-api 6.2'],
    plant: ({ lines }) => lines.push(answer(1, 100, 502, '<html>')),
  },
  {
    what: 'a refusal that nothing in a soak explains',
    rules: ['http-api 6.2'],
    plant: (run) => replaceAnswer(run, 3, answer(3, 70, 409, refused('log_conflict'))),
  },
  ...[
    { what: 'another reader misses an acknowledged commit', readings: [readingOf([0, 2])] },
    { what: 'another reader finds a commit twice', readings: [readingOf([0, 1, 1, 2])] },
    { what: 'another reader finds a commit that was refused', readings: [readingOf([0, 1, 2, 3])] },
    { what: 'another reader sees an older version', readings: [readingOf([0, 1, 2], 1)] },
    { what: 'another reader does not see the table', readings: [{ reader: 'another', tables: {} }] },
    {
      what: 'another reader cannot read what is there',
      readings: [{ reader: 'another', tables: {}, error: 'not a Delta table' }],
    },
  ].map(({ what, readings }) => ({
    what,
    rules: ['readers'],
    plant: (run: Run) => run.readings.splice(0, 1, ...readings),
  })),
]

/** The only answer to the `at`th request becomes another. */
function replaceAnswer({ lines }: Run, at: number, line: JournalLine): void {
  const index = lines.findIndex((each) => each.what === 'answer' && each.request === `client-${at}`)
  lines[index] = line
}
