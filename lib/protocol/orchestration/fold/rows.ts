/**
 * The rows of one table in memory. Every row has a slot that it keeps while its versions come and go, so that indexes
 * can point at it, and that remembers what the row was when changes were last taken: what changed since is known
 * without a copy of anything.
 */
import { compareBytes } from '../byte-order.ts'
import type { Table } from '../tables/columns.ts'

/** Where a row is. Rows are values: a slot gets another row, a row never changes. */
export interface Slot<R> {
  /** Null when there is no such row, or no more. */
  row: R | null
  /** What it was when changes were last taken; undefined when the slot has not been written since. */
  before: R | null | undefined
}

/** A slot that has a row. */
export interface FullSlot<R> extends Slot<R> {
  row: R
}

/** Slots by a column that is not the key, for rows that go when something else goes. */
export interface Index<R> {
  of(row: R): string | null
  readonly slots: Map<string, Set<Slot<R>>>
}

/** Where a key is kept: rows of one group, such as one run, are found together. */
export interface Address {
  readonly group: string
  readonly key: string
}

/** A table's rows. Read through the functions of this file, and written through nothing else. */
export interface Rows<R> {
  readonly table: Table<R>
  readonly groups: Map<string, Map<string, Slot<R>>>
  readonly index: Index<R> | null
  address(key: readonly string[]): Address
  /** Slots that were written since changes were last taken. */
  written: Slot<R>[]
  /** How many rows there are. */
  size: number
}

/** What happened to a table: rows that are new or different, and keys that are gone; both sorted by key. */
export interface Changes<R> {
  readonly rows: readonly R[]
  readonly deletions: readonly (readonly string[])[]
}

/** The group of rows in a table that has no groups. */
export const UNGROUPED = ''

/** No rows yet. Without `address` there are no groups. */
export function emptyRows<R>(
  table: Table<R>,
  address: (key: readonly string[]) => Address = (key) => ({ group: UNGROUPED, key: joinKey(key) }),
  index_of: ((row: R) => string | null) | null = null,
): Rows<R> {
  const index = index_of === null ? null : { of: index_of, slots: new Map<string, Set<Slot<R>>>() }
  return { table, groups: new Map(), index, address, written: [], size: 0 }
}

/** One text for several parts that no other parts have: each part but the last says how long it is. */
export function joinKey(parts: readonly string[]): string {
  return parts.reduceRight((joined, part) => `${part.length}:${part}${joined}`)
}

/** The slot of a row that exists. */
export function find<R>(rows: Rows<R>, key: string, group: string = UNGROUPED): FullSlot<R> | null {
  const slot = rows.groups.get(group)?.get(key)
  return slot !== undefined && isFull(slot) ? slot : null
}

/** A row by its key as columns spell it. */
export function findRow<R>(rows: Rows<R>, key: readonly string[]): R | null {
  const address = rows.address(key)
  return find(rows, address.key, address.group)?.row ?? null
}

/** Whether a slot has a row. */
export function isFull<R>(slot: Slot<R>): slot is FullSlot<R> {
  return slot.row !== null
}

/** Whether a group has any row. */
export function hasRows<R>(rows: Rows<R>, group: string): boolean {
  return !slotsOf(rows, group).next().done
}

/** The slots of a group's rows, in no meaningful order. Rows that are added meanwhile may or may not be among them. */
export function* slotsOf<R>(rows: Rows<R>, group: string): Generator<FullSlot<R>> {
  for (const slot of rows.groups.get(group)?.values() ?? []) if (isFull(slot)) yield slot
}

/** Every slot that has a row, in no meaningful order. */
export function* allSlots<R>(rows: Rows<R>): Generator<FullSlot<R>> {
  for (const group of rows.groups.keys()) yield* slotsOf(rows, group)
}

/** Insert a row, or replace the one that has its key. */
export function put<R>(rows: Rows<R>, row: R): Slot<R> {
  const { group, key } = rows.address(rows.table.key(row))
  let slots = rows.groups.get(group)
  if (slots === undefined) {
    slots = new Map()
    rows.groups.set(group, slots)
  }
  let slot = slots.get(key)
  if (slot === undefined) {
    slot = { row: null, before: undefined }
    slots.set(key, slot)
  }
  replace(rows, slot, row)
  return slot
}

/** Give a slot of this table another row. */
export function replace<R>(rows: Rows<R>, slot: Slot<R>, row: R): void {
  set(rows, slot, row)
}

/** Take a row away. */
export function remove<R>(rows: Rows<R>, slot: FullSlot<R>): void {
  const { group, key } = rows.address(rows.table.key(slot.row))
  set(rows, slot, null)
  // Nobody outside has seen a row that came and went between two takings; another slot has to tell of a deletion.
  if (slot.before === null) dropSlot(rows, group, key)
}

/** What changed since the last time, which begins anew. */
export function takeChanges<R>(rows: Rows<R>): Changes<R> {
  const upserts: R[] = []
  const deletions: (readonly string[])[] = []
  for (const slot of rows.written) {
    const { row, before } = slot
    slot.before = undefined
    if (row !== null) {
      if (before === null || before === undefined || !isSameRow(rows.table, row, before)) upserts.push(row)
    } else if (before !== null && before !== undefined) {
      const key = rows.table.key(before)
      deletions.push(key)
      const address = rows.address(key)
      dropSlot(rows, address.group, address.key)
    }
  }
  rows.written = []
  return { rows: sortedByKey(rows.table, upserts), deletions: deletions.toSorted(compareKeyParts) }
}

/** Rows in the order of their primary key, by UTF-8 bytes and part by part. */
export function sortedByKey<R>(table: Table<R>, rows: Iterable<R>): R[] {
  const keyed = Array.from(rows, (row) => ({ row, key: table.key(row) }))
  return keyed.sort((a, b) => compareKeyParts(a.key, b.key)).map(({ row }) => row)
}

function compareKeyParts(a: readonly string[], b: readonly string[]): number {
  for (const [at, part] of a.entries()) {
    const order = compareBytes(part, b[at] ?? '')
    if (order !== 0) return order
  }
  return 0
}

function set<R>(rows: Rows<R>, slot: Slot<R>, row: R | null): void {
  if (slot.before === undefined) {
    slot.before = slot.row
    rows.written.push(slot)
  }
  if (rows.index !== null) reindex(rows.index, slot, row)
  if (slot.row === null) rows.size += 1
  if (row === null) rows.size -= 1
  slot.row = row
}

function reindex<R>(index: Index<R>, slot: Slot<R>, row: R | null): void {
  const from = slot.row === null ? null : index.of(slot.row)
  const to = row === null ? null : index.of(row)
  if (from === to) return
  if (from !== null) {
    const slots = index.slots.get(from)
    slots?.delete(slot)
    if (slots?.size === 0) index.slots.delete(from)
  }
  if (to !== null) {
    const slots = index.slots.get(to) ?? new Set()
    index.slots.set(to, slots.add(slot))
  }
}

function dropSlot<R>(rows: Rows<R>, group: string, key: string): void {
  const slots = rows.groups.get(group)
  slots?.delete(key)
  if (slots?.size === 0) rows.groups.delete(group)
}

function isSameRow<R>(table: Table<R>, a: R, b: R): boolean {
  for (const name in table.columns) {
    if (!isSameValue(a[name as keyof R], b[name as keyof R])) return false
  }
  return true
}

/** Cells are primitives, and lists, maps and tagged objects of them; an absent member of these is null. */
function isSameValue(a: unknown, b: unknown): boolean {
  if (a === b) return true
  if (typeof a !== 'object' || typeof b !== 'object' || a === null || b === null) return false
  const left = membersOf(a)
  const right = membersOf(b)
  if (left.size !== right.size) return false
  for (const [name, value] of left) {
    if (!right.has(name) || !isSameValue(value, right.get(name))) return false
  }
  return true
}

function membersOf(value: object): ReadonlyMap<unknown, unknown> {
  return value instanceof Map ? value : new Map<unknown, unknown>(Object.entries(value))
}
