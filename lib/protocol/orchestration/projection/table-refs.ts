/** Which artifacts hold a layer's tables (spec/manifests.md 5.3). A table that is not named has no rows there. */
import * as z from 'zod'
import { compareBytes } from '../byte-order.ts'
import { TABLE_NAMES, type TableName } from '../tables/all.ts'
import { ArtifactRef } from './artifact.ts'
import { maybe } from './document-parts.ts'
import type { Printable } from './documents.ts'

/** One artifact of a layer. `org_id` only for `catalog_run_index`, which has one artifact an organisation. */
export interface TableRef {
  readonly table: TableName
  readonly org_id: string | null
  readonly ref: ArtifactRef
}

type PlainTable = Exclude<TableName, 'catalog_run_index'>

const PLAIN_TABLES = TABLE_NAMES.filter((name): name is PlainTable => name !== 'catalog_run_index')

const Reference = maybe(ArtifactRef)

const References = Object.fromEntries(PLAIN_TABLES.map((name) => [name, Reference])) as {
  readonly [N in PlainTable]: typeof Reference
}

const BY_ORG = 'catalog_run_index_by_org'

/** A record read entry by entry: an organisation may be called `__proto__`. */
const ByOrg = z
  .custom<Record<string, unknown>>(
    (value) => typeof value === 'object' && value !== null && !Array.isArray(value),
  )
  .transform((record) => Object.entries(record))
  .pipe(z.array(z.tuple([z.string(), ArtifactRef])))

/** `tables` of a layer. */
export const TableRefs = z
  .object({ ...References, [BY_ORG]: maybe(ByOrg) })
  .transform((document): readonly TableRef[] =>
    TABLE_NAMES.flatMap((table): readonly TableRef[] => {
      if (table === 'catalog_run_index') {
        return (document[BY_ORG] ?? []).map(([org_id, ref]) => ({ table, org_id, ref }))
      }
      const ref = document[table]
      return ref === null ? [] : [{ table, org_id: null, ref }]
    }),
  )

/** `tables` as it is written: tables in their order, organisations in byte order. */
export function printTableRefs(refs: readonly TableRef[]): Printable {
  const members = new Map<string, Printable>()
  for (const table of TABLE_NAMES) {
    const own = refs.filter((each) => each.table === table)
    const [first] = own
    if (first === undefined) continue
    members.set(
      table === 'catalog_run_index' ? BY_ORG : table,
      table === 'catalog_run_index' ? byOrg(own) : printRef(first.ref),
    )
  }
  return members
}

function byOrg(refs: readonly TableRef[]): Printable {
  const entries = refs.map(({ org_id, ref }): [string, Printable] => [org_id ?? '', printRef(ref)])
  return new Map(entries.toSorted(([a], [b]) => compareBytes(a, b)))
}

/** A reference as it is written; the bare path of an early version stays one. */
export function printRef(ref: ArtifactRef): Printable {
  if (typeof ref === 'string') return ref
  const { path, checksum_sha256, byte_size } = ref
  return { path, checksum_sha256, byte_size }
}
