/** What a protocol operation needs from its process, made of web-standard APIs that every runtime has. */
import { ulid } from 'ulid'
import type { Nesting, Note } from '../lib/protocol/effects.ts'
import type { TableResolver } from '../lib/protocol/delta/resolve.ts'
import type { Environment } from '../lib/protocol/run.ts'
import { StoreError, type Store } from '../lib/store/types.ts'

/** What differs between deployments and requests. */
export interface EnvironmentParts {
  /** Scoped to one tenant and workspace. */
  readonly store: Store
  readonly resolver: TableResolver
  note(note: Note): void
  /** Another clock, other ids or another sleep: for tests. */
  readonly overrides?: EnvironmentOverrides | undefined
}

/** What a test may take into its own hands. */
export type EnvironmentOverrides = Partial<Omit<Environment, 'store' | 'resolver' | 'note'>>

/** The environment of one request: system clock, CSPRNG, Web Crypto, hyparquet. */
export function createEnvironment({ store, resolver, note, overrides }: EnvironmentParts): Environment {
  return {
    store,
    resolver,
    note,
    now: () => Date.now(),
    monotonic: () => performance.now(),
    ulid: freshUlid,
    random: secureRandom,
    sleep: async (ms) => new Promise((resolve) => setTimeout(resolve, ms)),
    sha256: sha256Hex,
    parquetRows: readParquet,
    ...overrides,
  }
}

/**
 * Rows of a stored Parquet object; one that does not decode is a corrupt object, not a bug. The readers are loaded when there
 * is something to read: most deployments never have, and every start of a worker would pay for them.
 */
async function readParquet(
  bytes: Uint8Array,
  columns: readonly string[],
  nesting: Nesting,
): Promise<readonly Readonly<Record<string, unknown>>[]> {
  const { flatRows } = await import('../lib/protocol/orchestration/projection/parquet-rows.ts')
  const { parquetReadObjects } = await import('hyparquet')
  try {
    if (nesting === 'flat') return flatRows(bytes, columns)
    return await parquetReadObjects({ file: bytes.slice().buffer, columns: [...columns] })
  } catch (cause) {
    throw new StoreError('corrupt', 'tables.parquet', 'the Parquet object does not decode', { cause })
  }
}

/** A ULID from the platform's CSPRNG (S32). */
export function freshUlid(): string {
  return ulid(undefined, secureRandom)
}

/** Lower-case hex SHA-256. */
export async function sha256Hex(bytes: Uint8Array): Promise<string> {
  const digest = new Uint8Array(await crypto.subtle.digest('SHA-256', bytes.slice().buffer))
  return Array.from(digest, (byte) => byte.toString(16).padStart(2, '0')).join('')
}

function secureRandom(): number {
  return (crypto.getRandomValues(new Uint32Array(1))[0] ?? 0) / 2 ** 32
}
