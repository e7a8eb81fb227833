/** The report of a soak for people. */
import type { SoakReport } from './run.ts'

/** Counts first, then every violation; the last line is the verdict. */
export function reportText({ store, seed, seconds, counts, violations }: SoakReport): string {
  const lines = [
    `${store}, seed ${seed}, ${seconds} s`,
    `kills         ${counts.kills}${counts.store_kills === 0 ? '' : `, of the store ${counts.store_kills}`}`,
    `tables        ${counts.tables}`,
    `commits       ${counts.commits}`,
    `replays       ${counts.replays}`,
    `lost answers  ${counts.lost_answers}; ${counts.resolved} commits were acknowledged at a later try`,
    `refusals      ${listed(counts.refusals)}`,
    `found in      ${listed(counts.found_in)} (clients, after a lost answer)`,
    `recoveries    ${listed(counts.recoveries)} (somebody else's commits)`,
    `rows read     ${listed(counts.rows_read)} (by other implementations of Delta Lake)`,
    `leftovers     ${counts.leftovers} temporary files of killed processes`,
    ...violations.map(({ rule, what }) => `VIOLATED ${rule}: ${what}`),
    violations.length === 0 ? 'Every promise was kept.' : `${violations.length} violations.`,
  ]
  return `${lines.join('\n')}\n`
}

function listed(counts: Readonly<Record<string, number>>): string {
  const words = Object.entries(counts).map(([word, count]) => `${word} ${count}`)
  return words.length === 0 ? 'none' : words.join(', ')
}
