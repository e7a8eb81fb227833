/** What a scenario of spec/correctness.md 9.5 is: who takes part, in which bucket, with how many faults of each kind. */
import type { DeltaSettings } from '../../../lib/protocol/delta/settings.ts'
import type { TokenMode } from './bucket.ts'

/** How many faults of each kind a schedule may have (spec/correctness.md 3). */
export interface Budget {
  /** F1: an error, nothing happened. */
  readonly fail_before: number
  /** F2: it happened, the answer is lost. */
  readonly fail_after: number
  /** F3: an error now, the effect later or never. */
  readonly detach: number
  /** F4: a process vanishes. */
  readonly kill: number
  /** F5: the clock passes every `expires_at_ms`. */
  readonly tick: number
  /** F11, F12: refused without effect. */
  readonly throttle: number
  /** F13: the transport sends it twice; the answer is that of the second. */
  readonly resend: number
}

/** No faults at all. */
export const NO_FAULTS: Budget = {
  fail_before: 0,
  fail_after: 0,
  detach: 0,
  kill: 0,
  tick: 0,
  throttle: 0,
  resend: 0,
}

/** One part in a scenario. A body is named after its key: `A1` and `A2` are two bodies of key A. */
export type Role =
  | {
      readonly role: 'commit'
      readonly body: string
      readonly read_version: number
      /** How far this process's wall clock is off (F10). */
      readonly skew_ms?: number
    }
  | { readonly role: 'recover' }
  | { readonly role: 'inspect' }
  /** Stages the payload of this name. */
  | { readonly role: 'stage'; readonly body: string }
  /** Another program creates a log entry of its own (F8). */
  | { readonly role: 'foreign'; readonly version: number }
  /** Somebody deletes a staged object, and may put it again with the same or with other bytes (F9). */
  | { readonly role: 'collector'; readonly body: string; readonly puts_again?: 'same' | 'other' }
  /** Somebody deletes the marker of a key: what a crash of a writer that finalizes first would leave (FL-1). */
  | { readonly role: 'marker_loss'; readonly key: string }
  /**
   * A process of the reference (F15), which dies after the write of `until`. Early versions of it left out
   * `read_version`.
   */
  | {
      readonly role: 'old_writer'
      readonly body: string
      readonly read_version: number
      readonly until?: OldWrite
      readonly is_early?: boolean
    }

/** The writes of a commit of the reference, in their order. */
export type OldWrite = 'reserve' | 'log' | 'marker' | 'finalize'

/** A world to explore. */
export interface Scenario {
  readonly name: string
  readonly cast: readonly Role[]
  readonly budget?: Partial<Budget>
  readonly tokens?: TokenMode
  /** The store keeps owner metadata (R25). */
  readonly meta?: boolean
  /** The store tells its own clock (CK-2). */
  readonly times?: boolean
  /** Whether a process that sleeps past the TTL notices; default not: a suspended machine's clock stands (F5). */
  readonly monotonic?: 'stands' | 'moves'
  readonly settings?: Partial<DeltaSettings>
  /** Versions that the table has before anybody starts; default 0. */
  readonly versions?: number
  /** The state object is gone (spec/coordinator.md 10). */
  readonly is_state_lost?: boolean
  /** The second of these bodies has the bytes of the first (C21). */
  readonly same_bytes?: readonly [string, string]
  /** The root of the table has to be looked up. */
  readonly resolver?: 'known' | 'lookup'
  /** Leave nothing out: every operation, kill and move of the clock at every point (9.4 without its reductions). */
  readonly is_plain?: boolean
  /** Rules that a test breaks on purpose and that are not checked, to see what breaks with them (X7, X18). */
  readonly breaks?: readonly ('R3' | 'R13')[]
  /** What spec/coordinator.md 14 names as left over and this scenario is known to reach. */
  readonly concedes?: readonly Concession[]
}

/** Violations that the specification concedes; `invariants.ts` and `quiescence.ts` cite the paragraph at each. */
export type Concession =
  /** The payload was destroyed while unresolved: a replay may not learn that it was committed. */
  | 'replay_without_payload'
  /** … and a client that then reuses the key with another body may get that committed too. */
  | 'second_body_after_loss'

/** The table of every scenario. */
export const TABLE = '0194f5a0-1c00-7c3d-9b1e-2f6a4d8e0c11'
/** The root of that table. */
export const ROOT = `tables/${TABLE}`
/** Where the clock starts: the instant of the golden bytes of spec/coordinator.md 3. */
export const START_MS = 1_739_443_200_000
/** One move of the clock: past the TTL of every reservation. */
export const TICK_MS = 400_000

/** The idempotency key with this short name. */
export function idempotencyKey(name: string): string {
  return `0194f5a0-2000-7abc-8def-${Buffer.from(name).toString('hex').padStart(12, '0')}`
}

/** What is staged under this name. */
export function payloadText(scenario: Scenario, name: string): string {
  const [first, second] = scenario.same_bytes ?? []
  return `{"commitInfo":{"txnId":"${name === second ? first : name}"}}\n`
}
