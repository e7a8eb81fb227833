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

/** Where a row is kept: rows of one group, such as one run, are found together. */
export interface Placement<R> {
  /** The group of a key; without it all rows are in one. */
  groupOf?(key: readonly string[]): string
  /** The text under which a key is found in its group; all parts of it unless given. */
  nameOf?(key: readonly string[]): string
  /** A column by which rows are also found. */
  indexOf?(row: R): string | null
}

/** A table's rows. Read and write them through the functions of this file only. */
export interface Rows<R, S extends Slot<R> = Slot<R>> {
  readonly table: Table<R>
  readonly groups: Map<string, Map<string, S>>
  /** The group of tables that have no groups. */
  readonly ungrouped: Map<string, S>
  readonly index: Index<R> | null
  groupOf(key: readonly string[]): string
  nameOf(key: readonly string[]): string
  newSlot(): S
  /** Slots that were written since changes were last taken. */
  written: S[]
  /** How many rows there are. */
  size: number
}

/** What happened to a table: rows that are new or different, and keys that are gone; both sorted by key. */
export interface Changes<R> {
  readonly rows: readonly R[]
  readonly deletions: readonly (readonly string[])[]
}

const UNGROUPED = ''

/** No rows yet, in slots of the plain kind. */
export function emptyRows<R>(table: Table<R>, placement: Placement<R> = {}): Rows<R> {
  return emptyRowsIn(table, placement, () => ({ row: null, before: undefined }))
}

/** No rows yet, in slots that hold more than a row. `newSlot` makes one that is empty. */
export function emptyRowsIn<R, S extends Slot<R>>(
  table: Table<R>,
  placement: Placement<R>,
  newSlot: () => S,
): Rows<R, S> {
  const { groupOf = () => UNGROUPED, nameOf = joinKey, indexOf } = placement
  const ungrouped = new Map<string, S>()
  return {
    table,
    groups: new Map([[UNGROUPED, ungrouped]]),
    ungrouped,
    index: indexOf === undefined ? null : { of: indexOf, slots: new Map<string, Set<Slot<R>>>() },
    groupOf,
    nameOf,
    newSlot,
    written: [],
    size: 0,
  }
}

/** One text for several parts that no other parts have: each part but the last says how long it is. */
export function joinKey(parts: readonly string[]): string {
  let joined = ''
  for (const [at, part] of parts.entries()) {
    joined += at < parts.length - 1 ? `${part.length}:${part}` : part
  }
  return joined
}

/** The slot of a row that exists, in a table without groups. */
export function find<R, S extends Slot<R>>(rows: Rows<R, S>, name: string): (S & FullSlot<R>) | null {
  return fullOrNull<R, S>(rows.ungrouped.get(name))
}

/** The slot of a row that exists, in a table with groups. */
export function findIn<R, S extends Slot<R>>(
  rows: Rows<R, S>,
  group: string,
  name: string,
): (S & FullSlot<R>) | null {
  return fullOrNull<R, S>(rows.groups.get(group)?.get(name))
}

/** The slot of a row by its key as columns spell it. */
export function findByKey<R, S extends Slot<R>>(
  rows: Rows<R, S>,
  key: readonly string[],
): (S & FullSlot<R>) | null {
  return findIn(rows, rows.groupOf(key), rows.nameOf(key))
}

/** Whether a slot has a row. */
export function isFull<R, S extends Slot<R>>(slot: S & Slot<R>): slot is S & FullSlot<R> {
  return slot.row !== null
}

/** Whether a group has any row. */
export function hasRows<R>(rows: Rows<R>, group: string): boolean {
  return !slotsOf(rows, group).next().done
}

/** The slots of a group's rows, in no meaningful order. Rows that are added meanwhile may or may not be among them. */
export function* slotsOf<R, S extends Slot<R>>(rows: Rows<R, S>, group: string): Generator<S & FullSlot<R>> {
  for (const slot of rows.groups.get(group)?.values() ?? []) if (isFull<R, S>(slot)) yield slot
}

/** Every slot that has a row, in no meaningful order. */
export function* allSlots<R, S extends Slot<R>>(rows: Rows<R, S>): Generator<S & FullSlot<R>> {
  for (const group of rows.groups.keys()) yield* slotsOf(rows, group)
}

/** The slot under this name in a table without groups. It may be empty: then fill it, or give it back. */
export function slotAt<R, S extends Slot<R>>(rows: Rows<R, S>, name: string): S {
  return slotIn(rows, rows.ungrouped, name)
}

/** The slot under this name of a group. It may be empty. */
export function slotAtIn<R, S extends Slot<R>>(rows: Rows<R, S>, group: string, name: string): S {
  let slots = rows.groups.get(group)
  if (slots === undefined) {
    slots = new Map()
    rows.groups.set(group, slots)
  }
  return slotIn(rows, slots, name)
}

/** Give back a slot that was not filled. */
export function giveBack<R, S extends Slot<R>>(rows: Rows<R, S>, slot: S, name: string): void {
  if (slot.row === null && slot.before === undefined) rows.ungrouped.delete(name)
}

/** Insert a row, or replace the one that has its key. */
export function put<R, S extends Slot<R>>(rows: Rows<R, S>, row: R): S {
  const key = rows.table.key(row)
  const slot = slotAtIn(rows, rows.groupOf(key), rows.nameOf(key))
  set(rows, slot, row)
  return slot
}

/** Give a slot of this table another row. */
export function replace<R, S extends Slot<R>>(rows: Rows<R, S>, slot: S, row: R): void {
  set(rows, slot, row)
}

/** Take a row away. */
export function remove<R, S extends Slot<R>>(rows: Rows<R, S>, slot: S & FullSlot<R>): void {
  const key = rows.table.key(slot.row)
  set(rows, slot, null)
  // Nobody outside has seen a row that came and went between two takings; another slot has to tell of a deletion.
  if (slot.before === null) forget(rows, key)
}

/** What changed since the last time, which begins anew. */
export function takeChanges<R, S extends Slot<R>>(rows: Rows<R, S>): Changes<R> {
  const upserts: R[] = []
  const deletions: (readonly string[])[] = []
  for (const slot of rows.written) {
    const { row, before } = slot
    slot.before = undefined
    if (row !== null) {
      if (isAbsent(before) || !isSameRow(rows.table, row, before)) upserts.push(row)
    } else if (!isAbsent(before)) {
      const key = rows.table.key(before)
      deletions.push(key)
      forget(rows, key)
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
  for (let at = 0; at < a.length; at++) {
    const order = compareBytes(a[at] ?? '', b[at] ?? '')
    if (order !== 0) return order
  }
  return 0
}

function set<R, S extends Slot<R>>(rows: Rows<R, S>, slot: S, row: R | null): void {
  if (slot.before === undefined) {
    slot.before = slot.row
    rows.written.push(slot)
  }
  if (rows.index !== null) reindex(rows.index, slot, row)
  if (slot.row === null) rows.size += 1
  if (row === null) rows.size -= 1
  slot.row = row
}

function slotIn<R, S extends Slot<R>>(rows: Rows<R, S>, slots: Map<string, S>, name: string): S {
  let slot = slots.get(name)
  if (slot === undefined) {
    slot = rows.newSlot()
    slots.set(name, slot)
  }
  return slot
}

function isAbsent<R>(row: R | null | undefined): row is null | undefined {
  return row === null || row === undefined
}

function fullOrNull<R, S extends Slot<R>>(slot: S | undefined): (S & FullSlot<R>) | null {
  return slot !== undefined && isFull<R, S>(slot) ? slot : null
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

function forget<R, S extends Slot<R>>(rows: Rows<R, S>, key: readonly string[]): void {
  const group = rows.groupOf(key)
  const slots = rows.groups.get(group)
  slots?.delete(rows.nameOf(key))
  if (slots?.size === 0 && slots !== rows.ungrouped) rows.groups.delete(group)
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
