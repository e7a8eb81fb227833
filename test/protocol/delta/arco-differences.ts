/**
 * Where Tidemark does not do what Arco did (known-weaknesses.md), for the asks of the golden workspaces: our answer
 * and what lies in the bucket afterwards, by value. An ask that is not here must be answered and stored as by Arco.
 */

/** An answer, as the HTTP surface gives it. */
export type ExpectedAnswer =
  | { readonly status: 200; readonly version: number }
  | { readonly status: 400 | 404 | 409; readonly reason: string; readonly detail: string }

/** What one ask comes to here. */
export interface Difference {
  /** The weakness, and the rule that answers it. */
  readonly why: string
  readonly answer: ExpectedAnswer
  /** The identical request once more; the same answer unless told. */
  readonly again?: ExpectedAnswer
  /** What is in the bucket afterwards; nothing is reserved then. */
  readonly after: 'unchanged' | Stored
}

/** The objects that an ask creates or replaces. */
export interface Stored {
  /** The state becomes `{latest_version, inflight: null}`. */
  readonly latest_version: number
  /** New log entries: version to the request whose staged bytes it holds. */
  readonly log?: Readonly<Record<number, string>>
  /** New markers: request to its version. */
  readonly markers?: Readonly<Record<string, number>>
}

const committed = (version: number): ExpectedAnswer => ({ status: 200, version })

const conflict = (reason: string, detail: string): ExpectedAnswer => ({ status: 409, reason, detail })

const stale = (expected: number | 'unknown', got: number): ExpectedAnswer =>
  conflict('stale_read_version', `stale read_version: expected ${expected}, got ${got}`)

const ahead = (expected: number, got: number): ExpectedAnswer =>
  conflict('read_version_ahead', `stale read_version: expected ${expected}, got ${got}`)

const KEY_REUSE = conflict('key_reuse', 'Idempotency-Key already used with different request body')

/** W1 before the TTL, same key with another body: not decided yet, and `key_reuse` would be definite (C11). */
const UNDECIDED: Difference = {
  why: 'D-04: a key is decided by its marker, not by a reservation that may be dropped (coordinator.md D-3, C11)',
  answer: conflict('reserved', 'delta commit already reserved; retry later'),
  after: 'unchanged',
}

function restaged(file: string): ExpectedAnswer {
  return conflict('staged_version_mismatch', `staged payload version mismatch for ${file}`)
}

const RESTAGED = 'delta/staging/019ef5e4-344d-722b-999f-7f28eadb7c50/01M85ESPPCG734GM7ZTE0BNRQ8.json'

const DELETED = 'delta/staging/01a02232-78ba-7500-880b-4ccbddce7bc9/01M85ESPNWFN5W9964CNSB5JA4.json'

/** Both before and after the TTL: the row does not depend on it. */
function always(ask: string, difference: Difference): Record<string, Difference> {
  return { [`${ask}, before the TTL`]: difference, [`${ask}, after the TTL`]: difference }
}

/** By workspace, then by `ask`. */
export const DIFFERENCES: Readonly<Record<string, Readonly<Record<string, Difference>>>> = {
  'delta-catalog-http': {
    'same key and body': {
      why: 'D-25: a replay reaches the contract state before its 200 (R18, W3)',
      answer: committed(2),
      after: { latest_version: 2 },
    },
    'same key, other body': {
      why: 'D-25: what the decided key reserved is finalized before the refusal (coordinator.md D-2, C13)',
      answer: KEY_REUSE,
      after: { latest_version: 2 },
    },
  },
  'delta-committed': {
    'first key, wrong staged_version': {
      why: 'D-14: the marker and the log prove the replay; request_hash has no staged_version (coordinator.md 6.3.1)',
      answer: committed(0),
      after: 'unchanged',
    },
    'marker look-up with a wrong staged_version': {
      why: 'D-14: the marker and the log prove the replay; request_hash has no staged_version (coordinator.md 6.3.1)',
      answer: committed(0),
      after: 'unchanged',
    },
    'read_version below -1': {
      why: 'D-42: a read_version that cannot be is malformed, not stale (coordinator.md 6.1)',
      answer: { status: 400, reason: 'bad_request', detail: 'read_version must be >= -1' },
      after: 'unchanged',
    },
  },
  'delta-ghost-reservation': {
    ...always('same key and body', {
      why: 'D-03: the ghost of a decided key is dropped, log 4 is not written (X12, CO-31)',
      answer: KEY_REUSE,
      after: { latest_version: 3 },
    }),
    ...always('other writer with the old read_version', {
      why: 'D-03, D-04: the ghost is dropped at once and not committed a second time; version 4 is free (H-2)',
      answer: committed(4),
      after: { latest_version: 4, log: { 4: 'other-n' }, markers: { 'other-n': 4 } },
    }),
    ...always('other writer with the new read_version', {
      why: 'D-03, D-04: the ghost is dropped, so the table is at 3 and version 4 never was (H-2, D-9a)',
      answer: ahead(3, 4),
      after: { latest_version: 3 },
    }),
    ...always('same key, other body', {
      why: 'D-03: finalizing the replay of v0 must not advance to a version without a log entry (X20, C4)',
      answer: committed(0),
      after: { latest_version: 3 },
    }),
    'marker look-up of the pending key (what the HTTP handler does first)': {
      why: 'D-03: the ghost of a decided key is dropped before the refusal (coordinator.md D-2)',
      answer: KEY_REUSE,
      after: { latest_version: 3 },
    },
  },
  'delta-legacy-reservation': { 'same key, other body, before the TTL': UNDECIDED },
  'delta-state-lost': {
    'replay of v0': {
      why: 'D-02: the state is created again over a log entry that exists (coordinator.md 6.6, last row)',
      answer: committed(0),
      after: { latest_version: 0 },
    },
    'a commit with the true read_version': {
      why: 'D-02, D-28: log 1 exists and log 2 does not, so the state is rebuilt by this commit (CO-16)',
      answer: committed(2),
      after: { latest_version: 2, log: { 2: 'current' }, markers: { current: 2 } },
    },
    'a commit with read_version -1 (see `again`: the second time it is acknowledged although its bytes are nowhere in the log)':
      {
        why: 'D-02, D-01: there is history, nothing is written and nothing acknowledged, however often (CO-17)',
        answer: stale('unknown', -1),
        after: 'unchanged',
      },
  },
  'delta-w1': { 'same key, other body, before the TTL': UNDECIDED },
  'delta-w1-first-commit': { 'same key, other body, before the TTL': UNDECIDED },
  'delta-w1-foreign-log': {
    ...always('same key and body', {
      why: 'D-01: foreign bytes are never acknowledged; the reservation goes, no marker is written (CO-11)',
      answer: conflict('log_conflict', 'delta log version already exists with different contents'),
      again: stale(2, 1),
      after: { latest_version: 2 },
    }),
    ...always('other writer with the old read_version', {
      why: 'D-01: the helper compares, advances and writes no marker for the owner (H-6)',
      answer: stale(2, 1),
      after: { latest_version: 2 },
    }),
    ...always('other writer with the new read_version', {
      why: 'D-01: the helper compares and writes no marker for the owner, then commits (H-6)',
      answer: committed(3),
      after: { latest_version: 3, log: { 3: 'other-v' }, markers: { 'other-v': 3 } },
    }),
    ...always('same key, other body', {
      why: 'D-01: the foreign entry decides nothing about the key, but the version is gone for both bodies (H-6, D-9)',
      answer: stale(2, 1),
      after: { latest_version: 2 },
    }),
  },
  'delta-w1-restaged': {
    'same key and body, before the TTL': {
      why: 'D-20: a legacy reservation whose generation is gone waits for its TTL (coordinator.md 7.2)',
      answer: conflict('reserved', 'delta commit already reserved; retry later'),
      after: 'unchanged',
    },
    'same key and body, after the TTL': {
      why: 'D-20: then it is dropped, and only this request is refused (H-8, D-7)',
      answer: restaged(RESTAGED),
      after: { latest_version: 3 },
    },
    'other writer with the old read_version, after the TTL': {
      why: 'D-20: the payload of the reservation is gone, so it is dropped and version 4 is free (H-8)',
      answer: committed(4),
      after: { latest_version: 4, log: { 4: 'other-n' }, markers: { 'other-n': 4 } },
    },
    'other writer with the new read_version, after the TTL': {
      why: 'D-20: the reservation is dropped; this writer has seen a version that never was (H-8, D-9a)',
      answer: ahead(3, 4),
      after: { latest_version: 3 },
    },
    'same key, other body, before the TTL': UNDECIDED,
    'same key, other body, after the TTL': {
      why: 'D-20: the first body is dropped undecided, so the key is free for this one (D-3, H-8, D-11)',
      answer: committed(4),
      after: { latest_version: 4, log: { 4: 'body2' }, markers: { body2: 4 } },
    },
    ...always('same key and path, token of the new generation', {
      why: 'D-20: the owner put its bytes again and names the new generation (coordinator.md 6.3.2)',
      answer: committed(4),
      after: { latest_version: 4, log: { 4: 'pending-new-token' }, markers: { 'pending-new-token': 4 } },
    }),
  },
  'delta-w2-staged-deleted': {
    ...always('same key and body', {
      why: 'D-20: nobody can say whose entry it is; the version is taken, this request alone gets 404 (H-7, D-6)',
      answer: { status: 404, reason: 'staged_not_found', detail: `staged payload not found: ${DELETED}` },
      after: { latest_version: 1 },
    }),
    ...always('other writer with the old read_version', {
      why: 'D-20: the entry at version 1 counts, no marker is written for its owner (H-7)',
      answer: stale(1, 0),
      after: { latest_version: 1 },
    }),
    ...always('other writer with the new read_version', {
      why: 'D-20: the entry at version 1 counts, no marker is written for its owner; version 2 is committed (H-7)',
      answer: committed(2),
      after: { latest_version: 2, log: { 2: 'other-v' }, markers: { 'other-v': 2 } },
    }),
    ...always('same key, other body', {
      why: 'D-20: nobody can say whose entry it is, but the version is gone for this body (H-7, D-9)',
      answer: stale(1, 0),
      after: { latest_version: 1 },
    }),
  },
  'delta-w3': {
    ...always('same key, other body', {
      why: 'D-25: what the decided key reserved is finalized before the refusal (coordinator.md D-2, C13)',
      answer: KEY_REUSE,
      after: { latest_version: 2 },
    }),
    'marker look-up of the pending key (what the HTTP handler does first)': {
      why: 'D-25: a replay reaches the contract state before its 200 (R18, W3)',
      answer: committed(2),
      after: { latest_version: 2 },
    },
  },
}
