/** A broken promise of the protocol, with the schedule that breaks it. */

/** Thrown by the invariants; `explore` and `by-hand.ts` add the schedule. */
export class Violation extends Error {
  /** Number of spec/correctness.md 6, of a rule there, or of a guarantee of spec/coordinator.md 1. */
  readonly rule: string
  readonly detail: string
  /** Lines that `replay` of by-hand.ts runs again. */
  readonly script: readonly string[]

  constructor(rule: string, detail: string, script: readonly string[] = [], scenario = '') {
    const title = scenario === '' ? '' : ` in scenario "${scenario}"`
    const schedule = script.length === 0 ? '' : `\n${script.map((line) => `  ${line}`).join('\n')}`
    super(`${rule} violated${title}: ${detail}${schedule}`)
    this.name = 'Violation'
    this.rule = rule
    this.detail = detail
    this.script = script
  }

  /** The same violation, with the schedule that led to it. */
  after(script: readonly string[], scenario: string): Violation {
    return new Violation(this.rule, this.detail, script, scenario)
  }
}
