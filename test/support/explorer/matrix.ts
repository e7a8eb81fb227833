/** The scenarios of spec/correctness.md 9.5 for the base lane, and those that its rules name besides. */
import type { TokenMode } from './bucket.ts'
import type { Budget, OldWrite, Role, Scenario } from './scenario.ts'

/** A scenario and where it is explored. */
export interface Cell {
  readonly scenario: Scenario
  /** `test`: completely, in every `npm test`. `prove`: in `npm run prove`, to the end or to its state budget. */
  readonly runs_in: 'test' | 'prove'
}

/** Faults of correctness.md 3 by their numbers. */
const FAULTS: Readonly<Record<string, keyof Budget>> = {
  F1: 'fail_before',
  F2: 'fail_after',
  F3: 'detach',
  F4: 'kill',
  F5: 'tick',
  F11: 'throttle',
  F13: 'resend',
}

/** `F2 F11×9`: one lost answer and nine refusals; `–`: none. */
function budget(text: string): Partial<Budget> {
  const parts = text.split(' ').flatMap((part) => {
    const [fault = '', times = '1'] = part.split('×')
    const name = FAULTS[fault]
    return name === undefined ? [] : [[name, Number(times)] as const]
  })
  return Object.fromEntries(parts)
}

/** What is explored of one cast: with which faults, where, and with which tokens. */
interface Plan {
  readonly test?: readonly string[]
  readonly prove?: readonly string[]
  /** Default both; content-derived tokens make the same bytes the same generation (N5). */
  readonly tokens?: readonly TokenMode[]
}

function cells(name: string, cast: readonly Role[], plan: Plan, options: Partial<Scenario> = {}): Cell[] {
  const { test = [], prove = [], tokens = ['counter', 'content'] } = plan
  const cell = (runs_in: Cell['runs_in'], mode: TokenMode, faults: string): Cell => ({
    runs_in,
    scenario: {
      ...options,
      name: `${name} · ${faults}${mode === 'content' ? ' · content tokens' : ''}`,
      cast,
      tokens: mode,
      budget: budget(faults),
      // Without faults nothing is conceded.
      ...(faults === '–' ? { concedes: [] } : {}),
    },
  })
  return [
    ...test.flatMap((faults) => tokens.map((mode) => cell('test', mode, faults))),
    ...prove.flatMap((faults) => tokens.map((mode) => cell('prove', mode, faults))),
  ]
}

function commit(body: string, read_version: number, skew_ms = 0): Role {
  return { role: 'commit', body, read_version, skew_ms }
}

function foreign(version: number): Role {
  return { role: 'foreign', version }
}

function collector(body: string, puts_again?: 'same' | 'other'): Role {
  return { role: 'collector', body, ...(puts_again === undefined ? {} : { puts_again }) }
}

function oldWriter(body: string, read_version: number, until: OldWrite = 'finalize'): Role {
  return { role: 'old_writer', body, read_version, until }
}

const RECOVER: Role = { role: 'recover' }
const YEAR_MS = 365 * 24 * 3600 * 1000
const SEAL: Partial<Scenario> = { versions: 1, settings: { lostPayload: () => 'seal' } }
const LOST: Partial<Scenario> = { concedes: ['replay_without_payload'] }

/** The rows of correctness.md 9.5. */
const ROWS: readonly Cell[] = [
  ...cells('1 writer', [commit('A1', -1)], { test: ['F1 F2 F4 F5', 'F1 F2 F3 F4 F5'] }),
  ...cells('2 writers', [commit('A1', -1), commit('B1', -1)], {
    test: ['–', 'F2 F4 F5'],
    prove: ['F3 F4 F5', 'F1 F2 F3 F4 F5'],
  }),
  ...cells('2 attempts', [commit('A1', -1), commit('A1', -1)], {
    test: ['–', 'F4 F5'],
    prove: ['F2 F3 F4 F5'],
  }),
  ...cells('2 attempts', [commit('A1', -1), commit('A1', -1)], { test: ['F3 F5'], tokens: ['counter'] }),
  ...cells('2 bodies of a key', [commit('A1', -1), commit('A2', -1)], {
    test: ['–', 'F4 F5'],
    prove: ['F3 F4 F5'],
  }),
  ...cells('a body and two attempts of another', [commit('A1', -1), commit('A2', 0), commit('A2', 0)], {
    test: ['–', 'F4'],
    prove: ['F4 F5', 'F3 F4 F5'],
    tokens: ['counter'],
  }),
  ...cells('3 bodies of a key', [commit('A1', -1), commit('A2', -1), commit('A3', -1)], {
    test: ['–'],
    prove: ['F4 F5'],
    tokens: ['counter'],
  }),
  ...cells('key reused after another commit', [commit('A1', -1), commit('B1', 0), commit('A2', 1)], {
    test: ['–', 'F4'],
    prove: ['F4 F5'],
    tokens: ['counter'],
  }),
  ...cells('foreign entry', [commit('A1', -1), foreign(0)], { test: ['–', 'F4 F5', 'F1 F2 F3 F4 F5'] }),
  ...cells('foreign entry, 2 writers', [commit('A1', -1), commit('B1', -1), foreign(0)], {
    test: ['–', 'F4 F5'],
    prove: ['F3 F4 F5'],
  }),
  ...cells('payload destroyed', [commit('A1', -1), collector('A1')], { test: ['F4 F5', 'F1 F2 F3 F4 F5'] }),
  ...cells(
    'payload destroyed, 2 attempts',
    [commit('A1', -1), commit('A1', -1), collector('A1')],
    { test: ['–', 'F4 F5'], prove: ['F3 F4 F5'] },
    LOST,
  ),
  ...cells(
    'payload destroyed, 2 writers',
    [commit('A1', -1), commit('B1', -1), collector('A1')],
    { test: ['–', 'F4 F5'], prove: ['F3 F5', 'F3 F4 F5'] },
    LOST,
  ),
  ...cells('2 writers in sequence', [commit('A1', -1), commit('B1', 0)], {
    test: ['–', 'F4 F5', 'F2 F4 F5'],
    prove: ['F2 F3 F4 F5'],
  }),
  ...cells('2 attempts and another writer', [commit('A1', -1), commit('A1', -1), commit('B1', -1)], {
    test: ['–'],
    prove: ['F4 F5', 'F3 F4 F5'],
    tokens: ['counter'],
  }),
  ...cells('3 writers', [commit('A1', -1), commit('B1', -1), commit('C1', -1)], {
    test: ['–'],
    prove: ['F5', 'F4 F5', 'F3 F4 F5'],
    tokens: ['counter'],
  }),
]

/** Worlds that single rules are about. */
const RULES: readonly Cell[] = [
  // R8: another commit has hidden the duplicate's own from `last_commit`.
  ...cells(
    '2 attempts and the next writer',
    [commit('A1', 0), commit('A1', 0), commit('B1', 1)],
    {
      prove: ['–', 'F4 F5'],
      tokens: ['counter'],
    },
    { versions: 1 },
  ),
  // X20, and D-3 with a version in between.
  ...cells('2 bodies of a key, one later', [commit('A1', -1), commit('A2', 0)], {
    test: ['–', 'F4 F5'],
    prove: ['F3 F4 F5'],
  }),
  // An existing table, without the bootstrap probes; `read_version_ahead` and D-9a.
  ...cells(
    'an existing table',
    [commit('A1', 0), commit('B1', 1)],
    { test: ['–', 'F2 F4 F5'] },
    { versions: 1 },
  ),
  ...cells(
    'an existing table, foreign entry',
    [commit('A1', 0), commit('B1', 1), foreign(1)],
    { test: ['–', 'F4 F5'] },
    { versions: 1 },
  ),
  // R15, R14, R22: refusals and re-sends.
  ...cells('a throttled writer', [commit('A1', -1)], { test: ['F2 F4 F11×3 F13', 'F11×9', 'F1×5'] }),
  // R12: no safety from time.
  ...cells(
    'every reservation expired, 2 writers',
    [commit('A1', -1), commit('B1', -1)],
    { test: ['–', 'F2 F4'], prove: ['F3 F4'] },
    { settings: { ttl_ms: 0 } },
  ),
  ...cells(
    'every reservation expired, 2 attempts',
    [commit('A1', -1), commit('A1', -1)],
    { test: ['–', 'F2 F4'], prove: ['F3 F4'] },
    { settings: { ttl_ms: 0 } },
  ),
  ...cells(
    'a clock a year ahead',
    [commit('A1', -1, YEAR_MS), commit('B1', -1)],
    { test: ['F4 F5'] },
    { times: true },
  ),
  ...cells('a clock a year behind', [commit('A1', -1, -YEAR_MS), commit('B1', -1)], { test: ['F4 F5'] }),
  ...cells(
    'a writer that sees that it is late',
    [commit('A1', -1), commit('B1', -1)],
    { test: ['F4 F5'] },
    { monotonic: 'moves' },
  ),
  ...cells(
    'a writer past its deadline',
    [commit('A1', -1), commit('B1', -1)],
    { test: ['F4 F5'] },
    { monotonic: 'moves', settings: { deadline_ms: 60_000 } },
  ),
  // Recover beside commits.
  ...cells('recover', [commit('A1', -1), RECOVER], { test: ['F2 F4 F5', 'F3 F4 F5'] }),
  ...cells('recover, 2 writers', [commit('A1', -1), commit('B1', -1), RECOVER], {
    test: ['F4'],
    prove: ['F4 F5'],
  }),
  ...cells('recover, foreign entry', [commit('A1', -1), RECOVER, foreign(0)], { test: ['F4 F5'] }),
  ...cells(
    'recover, payload destroyed',
    [commit('A1', -1), RECOVER, collector('A1')],
    { test: ['F4 F5'] },
    LOST,
  ),
  // Inspect writes nothing, and stage names what it has stored.
  ...cells('inspect', [commit('A1', -1), commit('B1', -1), { role: 'inspect' }], { test: ['F4'] }),
  ...cells(
    'stage',
    [
      { role: 'stage', body: 'S1' },
      { role: 'stage', body: 'S2' },
    ],
    { test: ['F1 F2 F3 F11 F13'] },
  ),
  // F9, R10: put again with the same bytes, or with others.
  ...cells('payload put again', [commit('A1', -1), collector('A1', 'same')], { test: ['F3 F4 F5'] }),
  ...cells(
    'payload put again, 2 writers',
    [commit('A1', -1), commit('B1', -1), collector('A1', 'same')],
    { test: ['F4 F5'] },
    LOST,
  ),
  ...cells('payload replaced', [commit('A1', -1), collector('A1', 'other')], { test: ['F3 F4 F5'] }),
  ...cells(
    'payload replaced, 2 writers',
    [commit('A1', -1), commit('B1', -1), collector('A1', 'other')],
    { test: ['F4 F5'], tokens: ['counter'] },
    LOST,
  ),
  ...cells(
    'payload destroyed, key reused',
    [commit('A1', -1), commit('A2', 0), collector('A1')],
    { test: ['F4 F5'], prove: ['F3 F4 F5'] },
    { concedes: ['replay_without_payload', 'second_body_after_loss'] },
  ),
  // R25: with owner metadata nothing is left over of `LOST`.
  ...cells(
    'owner metadata, payload destroyed',
    [commit('A1', -1), collector('A1')],
    { test: ['F1 F2 F3 F4 F5'] },
    { meta: true },
  ),
  ...cells(
    'owner metadata, payload destroyed, 2 attempts',
    [commit('A1', -1), commit('A1', -1), collector('A1')],
    { test: ['F4 F5'], prove: ['F3 F4 F5'] },
    { meta: true },
  ),
  ...cells(
    'owner metadata, payload destroyed, 2 writers',
    [commit('A1', -1), commit('B1', -1), collector('A1')],
    { test: ['F4 F5'], prove: ['F3 F4 F5'] },
    { meta: true },
  ),
  ...cells(
    'owner metadata, payload put again, 2 writers',
    [commit('A1', -1), commit('B1', -1), collector('A1', 'same')],
    { test: ['F4 F5'] },
    { meta: true },
  ),
  ...cells(
    'owner metadata, equal payloads',
    [commit('A1', -1), commit('B1', -1)],
    { test: ['F4 F5'] },
    { meta: true, same_bytes: ['A1', 'B1'] },
  ),
  ...cells(
    'equal payloads',
    [commit('A1', -1), commit('B1', -1)],
    { test: ['F4 F5'] },
    { same_bytes: ['A1', 'B1'] },
  ),
  ...cells(
    'owner metadata, 2 bodies, both payloads destroyed',
    [commit('A1', -1), commit('A2', -1), collector('A1'), collector('A2')],
    { test: ['F4 F5'] },
    { meta: true },
  ),
  // H-8 `seal`.
  ...cells('seal, payload destroyed', [commit('A1', 0), collector('A1')], { test: ['F1 F2 F3 F4 F5'] }, SEAL),
  ...cells(
    'seal, payload destroyed, 2 writers',
    [commit('A1', 0), commit('B1', 0), collector('A1')],
    { test: ['F4 F5'], prove: ['F3 F4 F5'] },
    SEAL,
  ),
  // Section 10: the state object is lost.
  ...cells(
    'state lost, 2 writers',
    [commit('A1', 0), commit('B1', 0)],
    { test: ['–', 'F4 F5'] },
    { versions: 1, is_state_lost: true },
  ),
  ...cells(
    'state lost, 2 attempts',
    [commit('A1', 0), commit('A1', 0)],
    { test: ['F4 F5'] },
    { versions: 1, is_state_lost: true },
  ),
  ...cells(
    'state lost, one takes the table for empty',
    [commit('A1', 0), commit('B1', -1)],
    { test: ['F4 F5'] },
    { versions: 1, is_state_lost: true },
  ),
  ...cells(
    'state lost, one is ahead',
    [commit('A1', 0), commit('B1', 1)],
    { test: ['F4 F5'] },
    { versions: 1, is_state_lost: true },
  ),
  // F15: the reference at the same table.
  ...cells('old and new writer', [oldWriter('A1', -1), commit('B1', -1)], { test: ['F4 F5'] }),
  ...cells('old writer, then new', [oldWriter('A1', -1), commit('B1', 0)], { test: ['F4 F5'] }),
  ...cells('new writer, then old', [commit('A1', -1), oldWriter('B1', 0)], { test: ['F4 F5'] }),
  ...cells('old and new attempt', [oldWriter('A1', -1), commit('A1', -1)], { test: ['F3 F4 F5'] }),
  ...cells(
    'old attempt, payload destroyed',
    [oldWriter('A1', -1), commit('A1', -1), collector('A1')],
    { test: ['F4 F5'] },
    LOST,
  ),
  ...cells(
    'old attempt in an existing table',
    [oldWriter('A1', 0), commit('A1', 0), commit('B1', 1)],
    { prove: ['F4 F5'] },
    { versions: 1 },
  ),
  ...cells(
    'the root is looked up',
    [commit('A1', -1), commit('B1', -1)],
    { test: ['F4 F5'] },
    { resolver: 'lookup' },
  ),
]

/** All cells. */
export const MATRIX: readonly Cell[] = [...ROWS, ...RULES]

/** The scenario of a cell by its name. */
export function cellNamed(name: string): Scenario {
  const cell = MATRIX.find(({ scenario }) => scenario.name === name)
  if (cell === undefined) throw new RangeError(`no cell is named ${name}`)
  return cell.scenario
}
