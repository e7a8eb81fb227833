/** What explorations came to, as a table for people. */
import type { Exploration } from './explore.ts'

/** One explored scenario. */
export interface Row extends Exploration {
  readonly name: string
}

/** One line a scenario: distinct states, distinct ends, and whether the search was complete. */
export function tableOf(rows: readonly Row[]): string {
  const total = rows.reduce((sum, { states }) => sum + states, 0)
  return [...rows.map(lineOf), `${String(total).padStart(10)}  in all`].join('\n')
}

/** The line of one scenario. */
export function lineOf({ name, states, ends, is_complete }: Row): string {
  return `${String(states).padStart(10)}  ${name}, ${ends} ends${is_complete ? '' : ', stopped at the state budget'}`
}
