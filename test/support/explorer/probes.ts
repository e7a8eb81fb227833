/**
 * The branches of the commit protocol, by the rows of spec/coordinator.md 6 and 10, and where they are in the text.
 * `mutate.ts` makes a copy of `lib/` that counts them, so that no scenario of the matrix passes for want of being
 * reached (spec/correctness.md 9.10).
 */
import type { Edit } from './mutants.ts'

/** A branch, and the text that it begins with; it must occur exactly once. */
interface Probe {
  readonly row: string
  readonly file: string
  /** Begins with `return ` or `throw `, or is the first statement of a block. */
  readonly at: string
}

/** The branches that the matrix must reach. */
export const PROBES: readonly Probe[] = [
  { row: 'D-1, D-2', file: 'decide.ts', at: "return { do: 'answer_from_marker', marker }" },
  { row: 'D-4', file: 'commit.ts', at: 'return yield* resume(it, seen, decision.inflight, decision.staged)' },
  {
    row: 'D-3, D-5, D-8',
    file: 'commit.ts',
    at: 'return yield* helpOut(it, seen, decision.inflight, decision.state)',
  },
  {
    row: 'D-3 decided',
    file: 'commit.ts',
    at: 'return answered(\n      yield* answerFromMarker(it, report.owner_marker,',
  },
  { row: 'D-8 busy', file: 'commit.ts', at: 'return answered(yield* reservedBy(inflight))' },
  { row: 'D-6', file: 'decide.ts', at: "return { do: 'staged_missing' }" },
  { row: 'D-7', file: 'decide.ts', at: "return { do: 'staged_replaced' }" },
  {
    row: 'D-6 not found',
    file: 'taken.ts',
    at: "return {\n    ok: false,\n    reason: 'staged_not_found',",
  },
  {
    row: 'D-6 marker',
    file: 'taken.ts',
    at: 'return yield* answerFromMarker(it, marker, { state: null, staged: seen.staged })',
  },
  { row: 'D-9', file: 'decide.ts', at: "return { do: 'version_taken', state, staged }" },
  {
    row: 'D-9 marker',
    file: 'taken.ts',
    at: 'return answered(yield* answerFromMarker(it, looked.marker, { state: seen.state, staged }))',
  },
  { row: 'D-9 other entry', file: 'taken.ts', at: 'return answered(stale)' },
  { row: 'D-9 own bytes', file: 'taken.ts', at: 'return answered(\n    is_anothers ? stale' },
  {
    row: 'D-9 HELP has read it',
    file: 'taken.ts',
    at: 'return { marker: seen.marker, log: seen.helped.log }',
  },
  { row: 'D-9a', file: 'decide.ts', at: "return { do: 'version_ahead', state }" },
  {
    row: 'D-9a ahead',
    file: 'taken.ts',
    at: "return answered({ ok: false, reason: 'read_version_ahead', read_version, latest_version })",
  },
  {
    row: 'D-9a behind the log',
    file: 'taken.ts',
    at: 'const change = { latest_version: latest_version + 1, inflight: null }',
  },
  { row: 'D-9a lost', file: 'taken.ts', at: 'return { seen: yield* lookAgain(it, seen.staged) }' },
  { row: 'D-11', file: 'commit.ts', at: 'return yield* reserveAndDrive(it, seen, decision.staged, {' },
  { row: 'section 10', file: 'commit.ts', at: 'return yield* beginTable(it, seen, decision.staged)' },
  {
    row: 'section 10 may start',
    file: 'bootstrap.ts',
    at: "return 'may_start'",
  },
  {
    row: 'section 10 refused',
    file: 'bootstrap.ts',
    at: 'return yield* refuseBootstrap(it, staged, { root: root.root, ...slot })',
  },
  {
    row: 'section 10 created since',
    file: 'bootstrap.ts',
    at: 'return {\n      seen: { state, state_read_at_ms: monotonic_ms, marker, marker_is_later: false, staged, helped: null },',
  },
  {
    row: 'section 10 marker',
    file: 'bootstrap.ts',
    at: 'return answered(yield* answerFromMarker(it, slot.marker, { state: seen.state, staged }))',
  },
  { row: 'RESERVE ok, absent', file: 'reserve.ts', at: "return { reserved: 'mine'," },
  {
    row: 'RESERVE ok, same version',
    file: 'reserve.ts',
    at: "return { reserved: 'decided', marker, state }",
  },
  {
    row: 'RESERVE ok, other version',
    file: 'reserve.ts',
    at: 'const released = yield* release(work, inflight, { log_exists: false, first: state })',
  },
  {
    row: 'RESERVE lost, marker',
    file: 'reserve.ts',
    at: "return { reserved: 'decided', marker, state: null }",
  },
  { row: 'RESERVE lost', file: 'reserve.ts', at: "return { reserved: 'lost' }" },
  { row: 'DRIVE late', file: 'drive.ts', at: "return 'look_again'" },
  {
    row: 'DRIVE ghost check, marker of this version',
    file: 'drive.ts',
    at: 'return { answer: yield* answerFromMarker(it, marker, { state, staged }) }',
  },
  {
    row: 'DRIVE ghost check, ghost',
    file: 'drive.ts',
    at: 'const released = yield* release(work, inflight, { log_exists: log !== null, first: state })',
  },
  { row: 'DRIVE 1x', file: 'drive.ts', at: 'return yield* logTaken(it, own)' },
  {
    row: 'DRIVE 1x, conflict',
    file: 'drive.ts',
    at: "yield* release(work, inflight, { log_exists: true, first: state })\n  yield* alert('a foreign",
  },
  { row: 'DRIVE 2', file: 'drive.ts', at: 'return yield* record(it, own, path.path)' },
  {
    row: 'DRIVE 2, another version',
    file: 'drive.ts',
    at: "yield* release(work, inflight, { log_exists: true, first: state })\n    yield* alert('a key was",
  },
  { row: 'DRIVE 3, unreachable', file: 'drive.ts', at: 'return outcomeUnknown()' },
  {
    row: 'DRIVE 3',
    file: 'drive.ts',
    at: 'return { ok: true, version, delta_log_path: durable.delta_log_path, replayed: false }',
  },
  { row: 'log read back', file: 'writes.ts', at: 'return stored' },
  {
    row: 'log re-sent too often',
    file: 'writes.ts',
    at: "throw new Exhausted('resends')\n  }\n}\n\nfunction* readBack",
  },
  { row: 'marker read back', file: 'writes.ts', at: 'return found' },
  {
    row: 'H-1',
    file: 'help.ts',
    at: 'return finalized(inflight, marker, latest_version, log, marker.payload_sha256 ?? log?.sha256)',
  },
  { row: 'H-2', file: 'help.ts', at: 'return ghost(it, log)\n  if (log !== null)' },
  { row: 'H-3', file: 'help.ts', at: "return { help: 'busy' }" },
  { row: 'H-4', file: 'help.ts', at: "return yield* settleLogged(work, it, found, logged, 'W1')" },
  { row: 'H-5 in W2', file: 'help.ts', at: "return yield* settleLogged(work, it, found, log, 'W2')" },
  {
    row: 'H-5',
    file: 'help.ts',
    at: "yield* note({ note: 'recovered', window, action: 'rolled_forward', version })",
  },
  {
    row: 'H-6, H-7',
    file: 'help.ts',
    at: "yield* note({ note: 'recovered', window, action: 'foreign', version })",
  },
  {
    row: 'H-8 abandon',
    file: 'help.ts',
    at: "yield* note({ note: 'recovered', window: 'W1', action: 'abandoned', version })",
  },
  {
    row: 'H-8 seal',
    file: 'help.ts',
    at: "yield* note({ note: 'recovered', window: 'W1', action: 'sealed', version })",
  },
  {
    row: 'H-8 seal, taken',
    file: 'help.ts',
    at: "return yield* settleLogged(work, it, found, stored, 'W1')",
  },
  { row: 'HP-0', file: 'help.ts', at: 'return ghost(it, log)\n  yield* note(' },
  { row: 'HP-2', file: 'commit.ts', at: 'return yield* reserveAndDrive(it, seen, staged, settled.change)' },
  { row: 'HP-5', file: 'commit.ts', at: 'return {\n    seen: {\n      state: cleared,' },
  {
    row: 'HELP lost',
    file: 'commit.ts',
    at: 'return { seen: yield* lookAgain(it, staged) }\n  const { monotonic_ms } = yield* now()\n  // HP-5',
  },
  {
    row: 'FINALIZE no state',
    file: 'clear.ts',
    at: "return { do: 'look_at_log', path: commit.delta_log_path, present: finalized, absent: null }",
  },
  { row: 'FINALIZE own', file: 'clear.ts', at: "return { do: 'write', change: cleared }" },
  {
    row: 'FINALIZE ghost',
    file: 'clear.ts',
    at: "return {\n      do: 'look_at_log',\n      path: ghostLogPath(inflight, commit),",
  },
  {
    row: 'FINALIZE none or another',
    file: 'clear.ts',
    at: 'return inflight.version <= version && latest < version',
  },
  { row: 'FINALIZE done', file: 'clear.ts', at: 'return true\n      const change' },
  {
    row: 'FINALIZE unreachable',
    file: 'clear.ts',
    at: "yield* note({ note: 'finalize_failed', version: commit.version })",
  },
  { row: 'RELEASE gone', file: 'clear.ts', at: 'return null\n    const latest_version' },
  {
    row: 'RELEASE lost',
    file: 'clear.ts',
    at: 'countAttempt(work)\n    seen = yield* readState(work)\n  }\n}\n\n/** All members',
  },
  {
    row: 'R25',
    file: 'answer.ts',
    at: 'const durable = yield* writeMarker(work, key, marker)\n  return yield* answerFromMarker',
  },
  {
    row: 'R25, another body',
    file: 'answer.ts',
    at: "return { ok: false, reason: 'key_reuse' }\n  }\n  const delta_log_path",
  },
  { row: 'budget used up', file: 'work.ts', at: "throw new Exhausted('attempts')" },
]

/** Needs two log entries of one key, and a third process at the right moment: counterexamples-lost.test.ts. */
export const BY_HAND: readonly string[] = ['HP-0']

/** The edits that make a copy count its branches through `globalThis.tidemark_reached`. */
export function probeEdits(): Edit[] {
  return PROBES.map(({ row, file, at }) => {
    const count = `globalThis.tidemark_reached(${JSON.stringify(row)})`
    const keyword = /^(?:return|throw) /.exec(at)?.[0]
    return keyword === undefined
      ? { file, find: '', before: at, replace: `${count}; ` }
      : { file, find: keyword, before: at.slice(keyword.length), replace: `${keyword}${count}, ` }
  })
}
