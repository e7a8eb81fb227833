/**
 * The one contract of every store: ST-01…ST-34 of spec/storage.md 6.2, PV-01…PV-20 of spec/providers.md 9 and the backend
 * suite of spec/correctness.md 2.
 * A driver exists once it passes. The rows are data, so that a test can show which of them notices a broken store.
 */
import { ulid } from 'ulid'
import { describe, expect, test } from 'vitest'
import { AMBIGUOUS_PUTS } from './contract/ambiguous-puts.ts'
import { CERTIFYING } from './contract/certifying.ts'
import { CONDITIONAL_PUTS, RACES } from './contract/conditional-puts.ts'
import { EXPIRED_CREDENTIALS } from './contract/expired-credentials.ts'
import { LISTING, NO_LISTING } from './contract/listing.ts'
import { BYTES, KEYS, READS } from './contract/objects.ts'
import { ANSWERS } from './contract/provider-answers.ts'
import { PROVIDER_BYTES } from './contract/provider-bytes.ts'
import { RESOLVING } from './contract/resolving.ts'
import type { ContractContext, ContractRow, ContractStore } from './contract/row.ts'

/** How a store differs from the others. */
export interface ContractOptions {
  /** Rows that cannot be run on this store, by id, with the reason; a test of its own lists them. */
  readonly not_applicable?: Readonly<Record<string, string>>
  /** Equal bytes give equal tokens (spec/storage.md 5.4). */
  readonly has_content_tokens?: boolean
  /** A token replaces whatever has equal bytes (spec/providers.md 5.1); as `has_content_tokens` unless told. */
  readonly has_content_conditions?: boolean
  /** Why nothing of it can run on this machine; its tests are skipped then. */
  readonly skipped?: string | null
}

/** Every id that a driver has to run or to list: the tables of storage.md 6.2 and providers.md 9, then what only correctness.md 2 asks for. */
export const CONTRACT_IDS: readonly string[] = [
  ...Array.from({ length: 34 }, (_, i) => `ST-${String(i + 1).padStart(2, '0')}`),
  ...Array.from({ length: 20 }, (_, i) => `PV-${String(i + 1).padStart(2, '0')}`),
  'A1-A4',
  'create-32',
  'replace-32',
  'conditions',
  'keys',
  '304',
]

/** All rows; several can share an id. */
export const CONTRACT_ROWS: readonly ContractRow[] = [
  ...CONDITIONAL_PUTS,
  ...RACES,
  ...READS,
  ...KEYS,
  ...BYTES,
  ...LISTING,
  ...NO_LISTING,
  ...AMBIGUOUS_PUTS,
  ...CERTIFYING,
  ...RESOLVING,
  ...ANSWERS,
  ...PROVIDER_BYTES,
  ...EXPIRED_CREDENTIALS,
]

/** Run the contract. `make` is called for each row; it may hand out the same bucket, since rows use fresh keys. */
export function storeContract(
  name: string,
  make: () => ContractStore | Promise<ContractStore>,
  options: ContractOptions = {},
): void {
  contractTests(name, options, async ({ run }) => {
    const made = await make()
    try {
      await run(contractContext(made, options))
    } finally {
      await made.close?.()
    }
  })
}

/** One test a row, run wherever `runRow` runs it; `index` is its place in `CONTRACT_ROWS`. */
export function contractTests(
  name: string,
  { not_applicable = {}, skipped = null }: ContractOptions,
  runRow: (row: ContractRow, index: number) => Promise<void>,
): void {
  const rows = CONTRACT_ROWS.map((row, index) => ({ ...row, row, index })).filter(
    ({ id }) => !(id in not_applicable),
  )
  const suffix = skipped === null ? '' : ` (${skipped})`
  describe.skipIf(skipped !== null)(`store contract: ${name}${suffix}`, () => {
    // 32 clients of an SDK take their time on a busy machine.
    test.each(rows)('$id $promise', { timeout: 60_000 }, async ({ row, index }) => runRow(row, index))

    const listed = Object.entries(not_applicable).map(([id, reason]) => `${id}: ${reason}`)
    test(`every id is run or listed; not applicable: ${listed.length === 0 ? 'none' : listed.join('; ')}`, () => {
      const run_ids = new Set(rows.map(({ id }) => id))
      expect([...run_ids, ...Object.keys(not_applicable)].toSorted()).toEqual(CONTRACT_IDS.toSorted())
      for (const reason of Object.values(not_applicable)) expect(reason.trim()).not.toBe('')
    })
  })
}

/** What a row takes, around a store. */
export function contractContext(made: ContractStore, options: ContractOptions = {}): ContractContext {
  const folder = `contract/${ulid()}`
  return {
    ...made,
    has_content_tokens: options.has_content_tokens ?? false,
    has_content_conditions: options.has_content_conditions ?? options.has_content_tokens ?? false,
    key: (name) => `${folder}/${name}`,
    needWire() {
      if (made.wire !== undefined) return made.wire
      throw new Error('this row needs a `wire`, or its id and a reason in `not_applicable`')
    },
    needService() {
      if (made.service !== undefined) return made.service
      throw new Error('this row needs a `service`, or its id and a reason in `not_applicable`')
    },
  }
}
