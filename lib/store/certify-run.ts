/** One certification under way: its keys, its puts and what it has found out (spec/providers.md 7). */
import { ulid } from 'ulid'
import { withLimits, type Limits } from './limits.ts'
import { certificationStore, CERTIFY_PREFIX, type CertificationStore } from './unscoped.ts'
import type {
  Certifiable,
  CertificationHooks,
  MaintenanceStore,
  PutResult,
  StoredObject,
  Token,
} from './types.ts'

/** How often a put is sent that the store refuses to evaluate now: several allow one write a second to a key. */
export const PUT_ATTEMPTS = 5
const PUT_WAIT_MS = 1_200
const WAIT_MS_MAX = 10_000

/** What a caller may take into its own hands. */
export interface CertifyOptions {
  sleep?(ms: number): Promise<void>
  /** Time limits of each operation; those of `limits.ts` unless told. */
  readonly limits?: Partial<Limits>
}

/** What one check came to. `undecided`: the store gave no answer that proves anything. */
export interface Verdict {
  readonly verdict: 'pass' | 'fail' | 'undecided'
  /** What was expected and what was seen. */
  readonly detail: string
}

/** What the steps find out on their way: what the driver must be told about this store. */
export interface Findings {
  readonly if_match_style: 'quoted' | 'unquoted'
  readonly conditional_delete: boolean
  readonly conditional_get: boolean
  readonly verifies_digest: boolean
}

/** The object of K-1, as it was written last. */
interface MainObject {
  readonly key: string
  bytes: Uint8Array
  readonly first: Token
  token: Token
}

/** Keys, values and findings of one certification. */
export class CertifyRun {
  /** With the style of `If-Match` that was found out. */
  driver: MaintenanceStore & Certifiable
  main: MainObject | null = null
  findings: Findings = {
    if_match_style: 'quoted',
    conditional_delete: false,
    conditional_get: false,
    verifies_digest: false,
  }
  private readonly options: CertifyOptions
  private readonly keys = new Set<string>()

  constructor(driver: MaintenanceStore & Certifiable, options: CertifyOptions) {
    // Both styles are tried from the start, so that the finding is one whatever this driver was told.
    this.driver = driver.certification.withIfMatchStyle?.('quoted') ?? driver
    this.options = options
  }

  /** With time limits, and for `__arco/certify/` only. */
  store(driver: MaintenanceStore = this.driver): CertificationStore {
    return certificationStore(withLimits(driver, this.options.limits))
  }

  /** How conditions are spelled on this wire. */
  conditions(): CertificationHooks['conditions'] {
    return this.driver.certification.conditions
  }

  found(finding: Partial<Findings>): void {
    this.findings = { ...this.findings, ...finding }
  }

  /** A put; sent again while the store refuses to evaluate it. */
  async put(
    key: string,
    bytes: Uint8Array,
    precondition: 'doesNotExist' | { readonly matchesVersion: Token },
  ): Promise<PutResult> {
    for (let attempt = 1; ; attempt++) {
      const result = await this.store().put(key, bytes, precondition)
      if (result.outcome !== 'no_effect' || attempt === PUT_ATTEMPTS) return result
      await this.wait(result.retry_after_ms)
    }
  }

  async wait(retry_after_ms = 0): Promise<void> {
    const { sleep = async (ms) => new Promise((resolve) => setTimeout(resolve, ms)) } = this.options
    await sleep(Math.min(Math.max(retry_after_ms, PUT_WAIT_MS), WAIT_MS_MAX))
  }

  freshKey(): string {
    const key = `${CERTIFY_PREFIX}${ulid(undefined, secureRandom)}`
    this.keys.add(key)
    return key
  }

  /** Bytes that no other put has. */
  freshBytes(): Uint8Array {
    return new TextEncoder().encode(JSON.stringify({ tidemark: 'certification', nonce: crypto.randomUUID() }))
  }

  /** The object of K-1; later steps only run when it is there. */
  current(): MainObject {
    if (this.main === null) throw new Error('K-1 has not run')
    return this.main
  }

  async read(key: string): Promise<StoredObject | null> {
    const result = await this.store().get(key)
    return result.outcome === 'ok' ? result : null
  }

  /** Best effort: what stays is a few small objects under fresh names. */
  async cleanUp(): Promise<void> {
    await Promise.allSettled([...this.keys].map(async (key) => this.store().delete(key)))
  }
}

/** The store did what it must. */
export function passed(detail: string): Verdict {
  return { verdict: 'pass', detail }
}

/** It did not; the detail says what is wrong with it. */
export function failed(detail: string): Verdict {
  return { verdict: 'fail', detail }
}

/** It could not be asked. */
export function undecided(detail: string): Verdict {
  return { verdict: 'undecided', detail }
}

function secureRandom(): number {
  return (crypto.getRandomValues(new Uint32Array(1))[0] ?? 0) / 2 ** 32
}
