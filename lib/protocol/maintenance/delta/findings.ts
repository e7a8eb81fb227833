/** Collects what `verify` finds about one table, in bounded memory however bad the table is. */
import { bySeverity, findingOf, type Finding, type Occurrence } from '../finding.ts'
import { COORDINATOR_RULES } from './coordinator-rules.ts'
import { LOG_RULES } from './log-rules.ts'

/** Every rule that `verify` of a table knows. */
export const TABLE_RULES = { ...COORDINATOR_RULES, ...LOG_RULES }
/** Its id. */
export type TableRuleId = keyof typeof TABLE_RULES

/** Whether a text is such an id. */
export function isTableRule(rule: string): rule is TableRuleId {
  return Object.hasOwn(TABLE_RULES, rule)
}

/** Findings of one rule about one version or object; the others are only counted. */
const ALIKE_MAX = 5

interface Group {
  readonly kept: Finding[]
  count: number
}

/** The findings of one page. */
export class TableFindings {
  private readonly groups = new Map<string, Group>()
  private readonly table_id: string
  /** How many were kept. */
  kept = 0

  constructor(table_id: string) {
    this.table_id = table_id
  }

  report(rule: TableRuleId, occurrence: Occurrence): void {
    const { version, path } = occurrence
    const id = `${rule} ${version ?? path ?? ''}`
    const group = this.groups.get(id) ?? { kept: [], count: 0 }
    this.groups.set(id, group)
    group.count += 1
    if (group.kept.length >= ALIKE_MAX) return
    group.kept.push(findingOf(TABLE_RULES, rule, occurrence, { table_id: this.table_id }))
    this.kept += 1
  }

  /** Whether one of the rule was found. */
  has(rule: TableRuleId): boolean {
    return Array.from(this.groups.keys()).some((id) => id.startsWith(`${rule} `))
  }

  /** The most severe first, of one version the cause first. Of many alike the last one says how many more there are. */
  list(): Finding[] {
    return [...this.groups.values()].flatMap(counted).toSorted(byCause)
  }
}

/** An entry that is lost or changed: what contradicts it, a checkpoint or a marker, is right and must not be taken away. */
const LOST_ENTRY: ReadonlySet<string> = new Set<TableRuleId>(['TM-104', 'DL-501', 'DL-502'])

/** For sorting, of one page or of all: the most severe first, then by version, and of one version the cause first. */
export function byCause(one: Finding, other: Finding): number {
  return bySeverity(one, other) || causeRank(one) - causeRank(other)
}

function causeRank({ rule }: Finding): number {
  return LOST_ENTRY.has(rule) ? 0 : 1
}

function counted({ kept, count }: Group): readonly Finding[] {
  const more = count - kept.length
  const last = kept.at(-1)
  if (more === 0 || last === undefined) return kept
  return [...kept.slice(0, -1), { ...last, detail: `${last.detail} (and ${more} more like this)` }]
}
