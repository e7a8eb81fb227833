/**
 * One wrong variant for every rule R1–R15 of spec/correctness.md 5, and those of its section 8 that are not one of
 * these. Each is a small edit of the production text (`mutate.ts`), and each must be noticed.
 */

/** A textual edit of one file of lib/protocol/delta. `find` and what follows it, `before`, must occur exactly once. */
export interface Edit {
  readonly file: string
  readonly find: string
  readonly before?: string
  readonly replace: string
}

/** A broken rule. */
export interface Mutant {
  /** The rule and, where it has several places, which. */
  readonly id: string
  /** What is wrong with it, in a few words. */
  readonly breaks: string
  readonly edits: readonly Edit[]
}

/** All wrong variants by id. */
export const MUTANTS = {
  R1: {
    breaks: 'bytes and token of the state come from two reads',
    edits: [
      {
        file: 'look.ts',
        find: '    state: yield* toState(work, answers.state),\n',
        replace:
          '    state: { ...(yield* toState(work, answers.state)), token: (yield* readState(work)).token },\n',
      },
    ],
  },
  R2: {
    breaks: 'the cold reads are parallel and the marker is not read again',
    edits: [
      {
        file: 'reserve.ts',
        find: '  const marker = yield* toMarker(work, key, answers.marker)\n',
        replace: '  const marker = null as Marker | null\n',
      },
    ],
  },
  'R2 one after the other': {
    breaks: 'the marker is read before the state and not again',
    edits: [
      {
        file: 'look.ts',
        find: '  const answers = yield* issue(work, {\n    state: stateOp(work.table_id),\n    marker: markerOp(key),\n    staged:',
        replace:
          '  const earlier = yield* issue(work, { marker: markerOp(key) })\n  const answers = yield* issue(work, {\n    state: stateOp(work.table_id),\n    staged:',
      },
      {
        file: 'look.ts',
        find: '    marker: yield* toMarker(work, key, answers.marker),\n    marker_is_later: false,\n    staged: yield* toStaged(answers.staged),',
        replace:
          '    marker: yield* toMarker(work, key, earlier.marker),\n    marker_is_later: false,\n    staged: yield* toStaged(answers.staged),',
      },
      {
        file: 'reserve.ts',
        find: '  const marker = yield* toMarker(work, key, answers.marker)\n',
        replace: '  const marker = null as Marker | null\n',
      },
    ],
  },
  R3: {
    breaks: 'the reservation is cleared before the marker is durable',
    edits: [
      {
        file: 'drive.ts',
        find: '  const durable = yield* writeMarker(work, key, marker)\n',
        replace:
          '  yield* finalize(work, recordedCommit(marker), state)\n  const durable = yield* writeMarker(work, key, marker)\n',
      },
    ],
  },
  'R3 in HELP': {
    breaks: 'a helper clears a reservation without recording it',
    edits: [
      {
        file: 'help.ts',
        find: '  const durable = yield* writeMarker(work, key, is_adopted ? { ...marker, recovered_from_log: true } : marker)\n',
        replace: '  const durable = marker\n',
      },
    ],
  },
  'R3 of last_commit': {
    breaks: 'a commit that only last_commit knows is not recorded',
    edits: [
      {
        file: 'taken.ts',
        find: '  if (last_commit?.commit_id === it.request.idempotency_key) {\n',
        replace: '  if (false) {\n',
      },
    ],
  },
  R4: {
    breaks: 'the owner adopts whatever holds its version',
    edits: [
      {
        file: 'drive.ts',
        find: '  if (!holdsPayload(log, staged.sha256, it.key.key_hash)) return yield* logTaken(it, own)\n',
        replace: '',
      },
    ],
  },
  'R4 in HELP': {
    breaks: 'a helper adopts whatever holds the reserved version',
    edits: [{ file: 'help.ts', find: '  if (!is_owners && !is_adopted) {\n', replace: '  if (false) {\n' }],
  },
  R5: {
    breaks: 'a reservation of one’s own is driven without a ghost check',
    edits: [
      {
        file: 'commit.ts',
        find: 'drive(it, reservation, { ghost_check: true })',
        replace: 'drive(it, reservation, { ghost_check: false })',
      },
    ],
  },
  'R5 in HELP': {
    breaks: 'a helper materializes a reservation of a key that was decided elsewhere',
    edits: [{ file: 'help.ts', find: '  if (marker !== null) return ghost(it, log)\n', replace: '' }],
  },
  R6: {
    breaks: 'a reservation is undone although its own marker was found',
    edits: [
      {
        file: 'reserve.ts',
        find: "    if (marker.version === inflight.version) return { reserved: 'decided', marker, state }\n",
        replace: '',
      },
    ],
  },
  R7: {
    breaks: 'a lost CAS is taken for a stale read_version without a fresh look',
    edits: [
      {
        file: 'commit.ts',
        find: "    case 'lost':\n      return { seen: yield* lookAgain(it, staged) }\n",
        replace:
          "    case 'lost':\n      return answered({ ok: false, reason: 'stale_read_version', read_version: it.request.read_version })\n",
      },
    ],
  },
  R8: {
    breaks: 'stale is answered without looking for the marker and the log entry',
    edits: [
      {
        file: 'taken.ts',
        find: '  const looked = yield* lookAtSlot(it, seen, version, path.path)\n',
        replace: '  const looked = { marker: null as Seen["marker"], log: null as LogEntry | null }\n',
      },
    ],
  },
  'R8 marker only': {
    breaks: 'stale is answered after a look at the log alone',
    edits: [{ file: 'taken.ts', find: '  if (looked.marker !== null) {\n', replace: '  if (false) {\n' }],
  },
  R9: {
    breaks: 'losing the finalize CAS is taken for a conflict',
    edits: [
      {
        file: 'clear.ts',
        find: "      lost_last = result.outcome === 'precondition_failed'\n",
        replace: "      if (result.outcome === 'precondition_failed') return false\n",
      },
      {
        file: 'drive.ts',
        find: '  if (!finalized) return outcomeUnknown()\n',
        replace: "  if (!finalized) return { ok: false, reason: 'log_conflict', latest_version: version }\n",
      },
    ],
  },
  R10: {
    breaks: 'a helper writes whatever lies at the staged path',
    edits: [
      { file: 'help.ts', find: '  return is_reserved ? staged : null\n', replace: '  return staged\n' },
    ],
  },
  R11: {
    breaks: 'a reservation whose payload is gone is never dropped',
    edits: [
      {
        file: 'help.ts',
        find: '  return yield* settleLost(work, it, found)\n',
        replace: "  return { help: 'busy' }\n",
      },
    ],
  },
  R12: {
    breaks: 'a writer that is late takes its reservation for lost',
    edits: [
      {
        file: 'drive.ts',
        find: "return 'look_again'\n",
        replace: "return { ok: false, reason: 'log_conflict', latest_version: inflight.version }\n",
      },
    ],
  },
  'R12 takeover': {
    breaks: 'a reservation never expires',
    edits: [
      {
        file: 'help.ts',
        find: '  return now_ms >= inflight.expires_at_ms || (',
        replace: '  return false && now_ms >= inflight.expires_at_ms || (false && ',
      },
    ],
  },
  'R13 nonce': {
    breaks: 'reservations carry no nonce of their own',
    edits: [{ file: 'reserve.ts', find: '    nonce: yield* ulid(),\n', replace: "    nonce: 'x',\n" }],
  },
  'R13 revision': {
    breaks: 'writes of the state may repeat bytes',
    edits: [{ file: 'state.ts', find: ' : revision + 1,\n', replace: ' : revision,\n' }],
  },
  R14: {
    breaks: 'a failed put-if-absent of the log is somebody else’s',
    edits: [
      {
        file: 'writes.ts',
        find: '    const stored = yield* readBack(work, result, path)\n',
        replace:
          "    const stored = result.outcome === 'precondition_failed' ? { ...payload, sha256: '', owner: null } : yield* readBack(work, result, path)\n",
      },
    ],
  },
  'R14 marker': {
    breaks: 'a failed put-if-absent of the marker is another commit’s',
    edits: [
      {
        file: 'writes.ts',
        find: '    const found = yield* toMarker(work, key, stored)\n',
        replace:
          "    const found = result.outcome === 'precondition_failed' ? { ...marker, request_hash: '' } : yield* toMarker(work, key, stored)\n",
      },
    ],
  },
  R15: {
    breaks: 'a refused put is taken for one that exists',
    edits: [
      {
        file: 'writes.ts',
        find: "    if (result.outcome === 'ok') {\n",
        replace: "    if (result.outcome === 'ok' || result.outcome === 'no_effect') {\n",
      },
    ],
  },
  R18: {
    breaks: 'a replay is answered from the marker alone',
    edits: [
      {
        file: 'answer.ts',
        find: "  if (match === 'match' || state === null || is_reserved) {\n",
        replace: '  if (false) {\n',
      },
    ],
  },
  R25: {
    breaks: 'a log entry is not attributed to the owner that it names',
    edits: [
      {
        file: 'taken.ts',
        find: '  const can_attribute = work.meta && ',
        replace: '  const can_attribute = false && ',
      },
    ],
  },
  X15: {
    breaks: 'a missing payload is a definite answer',
    edits: [
      {
        file: 'taken.ts',
        find: "    reason: 'staged_not_found',\n",
        replace: "    reason: 'stale_read_version',\n    read_version: request.read_version,\n",
      },
    ],
  },
  X20: {
    breaks: 'finalizing advances to a reservation of another version without its log entry',
    edits: [
      {
        file: 'clear.ts',
        find: '      absent: cleared,\n',
        replace:
          '      absent: { ...cleared, latest_version: Math.max(cleared.latest_version, inflight.version) },\n',
      },
    ],
  },
} as const satisfies Record<string, Omit<Mutant, 'id'>>

/** Name of a wrong variant. */
export type MutantId = keyof typeof MUTANTS
