/**
 * The events of a rebuild in the order of their ids, in little memory: a list of a million paths would be a hundred
 * megabytes of strings (correctness.md P17). Nearly every path follows from its event id, which is a ULID of 128 bits;
 * the few others are kept as texts.
 */
import { compareBytes } from '../byte-order.ts'
import { eventIdOfPath, ledgerDate } from '../paths.ts'
import { pathProblem } from './load-events.ts'

/** Distinct events, ascending by id. Of several paths with one id the one listed first. */
export interface EventList {
  readonly length: number
  /** Paths that were added again, or whose id had come before. */
  readonly duplicates: number
  pathAt(index: number): string
  idAt(index: number): string
  /** The paths at `[from, to)`. */
  paths(from: number, to: number): string[]
  /** The list as bytes, a bounded number of events at a time: equal lists give equal bytes. */
  blocks(): Generator<Uint8Array>
}

/** How many events of a list lie at or below an id. They are its beginning. */
export function countThrough(list: EventList, event_id: string | null): number {
  if (event_id === null) return 0
  let low = 0
  let high = list.length
  while (low < high) {
    const middle = (low + high) >>> 1
    if (compareBytes(list.idAt(middle), event_id) <= 0) low = middle + 1
    else high = middle
  }
  return low
}

/** Collects paths. */
export interface EventListBuilder {
  readonly listed: number
  /** False, and nothing is added, when the path cannot be one of an event. */
  add(path: string): boolean
  build(): EventList
}

/** 32-bit words of an id, then its place in the list as given. */
const WORDS = 5

/** Begin a list. */
export function eventListBuilder(): EventListBuilder {
  let words = new Uint32Array(WORDS * 1024)
  let count = 0
  let listed = 0
  const odd: OddPath[] = []
  return {
    get listed() {
      return listed
    },
    add(path) {
      if ((count + 1) * WORDS > words.length) words = grown(words)
      if (writePlain(words, count * WORDS, path)) {
        words[count * WORDS + 4] = listed
        count += 1
      } else {
        const id = pathProblem(path) === null ? eventIdOfPath(path) : null
        if (id === null) return false
        odd.push({ path, id, place: listed })
      }
      listed += 1
      return true
    },
    build: () => buildList(words, count, odd, listed),
  }
}

interface OddPath {
  readonly path: string
  readonly id: string
  readonly place: number
}

function grown(words: Uint32Array): Uint32Array<ArrayBuffer> {
  const larger = new Uint32Array(words.length * 2)
  larger.set(words)
  return larger
}

function buildList(words: Uint32Array, count: number, odd: readonly OddPath[], listed: number): EventList {
  const plain = sortedDistinct(words, count)
  const texts = distinctTexts(odd)
  const entries = texts.length === 0 ? null : merged(words, plain, texts)
  const length = entries?.length ?? plain.length
  const idOf = (at: number): string => readUlid(words, at * WORDS)
  function idAt(index: number): string {
    const entry = entries === null ? plain[index] : entries[index]
    if (entry === undefined) throw new RangeError(`no event ${index} in a list of ${length}`)
    return typeof entry === 'number' ? idOf(entry) : entry.id
  }
  function pathAt(index: number): string {
    const entry = entries?.[index]
    return typeof entry === 'object' ? entry.path : pathOfUlid(idAt(index))
  }
  return {
    length,
    duplicates: listed - length,
    idAt,
    pathAt,
    *blocks() {
      // Where the path follows from the id, the id says it all.
      const nameAt = (index: number): string =>
        typeof entries?.[index] === 'object' ? pathAt(index) : idAt(index)
      for (let from = 0; from < length; from += BLOCK_EVENTS) {
        const to = Math.min(from + BLOCK_EVENTS, length)
        const names = Array.from({ length: to - from }, (_, offset) => nameAt(from + offset))
        yield new TextEncoder().encode(`${names.join('\n')}\n`)
      }
    },
    paths: (from, to) =>
      Array.from({ length: Math.max(0, Math.min(to, length) - from) }, (_, offset) => pathAt(from + offset)),
  }
}

/** Places in `words`, ascending by id; of equal ids the one that was listed first. */
function sortedDistinct(words: Uint32Array, count: number): Uint32Array {
  const order = Uint32Array.from({ length: count }, (_, index) => index)
  // Lists come in order, as a rule, and then need no sorting.
  if (!isAscending(words, count)) order.sort((a, b) => compareIds(words, a, b) || compareAt(words, a, b, 4))
  let kept = 0
  for (const at of order) {
    const last = kept === 0 ? undefined : order[kept - 1]
    if (last === undefined || compareIds(words, last, at) !== 0) order[kept++] = at
  }
  return order.subarray(0, kept)
}

function isAscending(words: Uint32Array, count: number): boolean {
  for (let at = 1; at < count; at++) if (compareIds(words, at - 1, at) > 0) return false
  return true
}

function compareIds(words: Uint32Array, a: number, b: number): number {
  return (
    compareAt(words, a, b, 0) ||
    compareAt(words, a, b, 1) ||
    compareAt(words, a, b, 2) ||
    compareAt(words, a, b, 3)
  )
}

function compareAt(words: Uint32Array, a: number, b: number, word: number): number {
  return (words[a * WORDS + word] ?? 0) - (words[b * WORDS + word] ?? 0)
}

function distinctTexts(odd: readonly OddPath[]): OddPath[] {
  const sorted = odd.toSorted((a, b) => compareBytes(a.id, b.id) || a.place - b.place)
  return sorted.filter(({ id }, index) => id !== sorted[index - 1]?.id)
}

/** Both kinds in one order. A ULID under a date that is not its own may share its id with one under the right date. */
function merged(words: Uint32Array, plain: Uint32Array, texts: readonly OddPath[]): (number | OddPath)[] {
  const entries: (number | OddPath)[] = []
  let next = 0
  for (const at of plain) {
    const id = readUlid(words, at * WORDS)
    let text = texts[next]
    while (text !== undefined && compareBytes(text.id, id) < 0) {
      entries.push(text)
      text = texts[++next]
    }
    if (text?.id !== id) {
      entries.push(at)
      continue
    }
    entries.push(text.place < (words[at * WORDS + 4] ?? 0) ? text : at)
    next += 1
  }
  return [...entries, ...texts.slice(next)]
}

/** Events of one block. */
const BLOCK_EVENTS = 10_000

const LEDGER = 'ledger/orchestration/'
const ID_FROM = LEDGER.length + '2026-02-21/'.length
const ID_CHARS = 26
const PLAIN_CHARS = ID_FROM + ID_CHARS + '.json'.length

/** Write the id of a path that follows from it. False: it does not, or is no ULID as they are written. */
function writePlain(words: Uint32Array, from: number, path: string): boolean {
  if (path.length !== PLAIN_CHARS || !path.startsWith(LEDGER) || !path.endsWith('.json')) return false
  if (path.charCodeAt(ID_FROM - 1) !== SLASH || (DIGIT_OF[path.charCodeAt(ID_FROM)] ?? 32) > 7) return false
  let time_ms = 0
  for (let at = 0; at < ID_CHARS; at++) {
    const digit = DIGIT_OF[path.charCodeAt(ID_FROM + at)] ?? 32
    if (digit > 31) return false
    if (at < 10) time_ms = time_ms * 32 + digit
  }
  if (!path.startsWith(ledgerDate(time_ms), LEDGER.length)) return false
  writeUlid(words, from, path, ID_FROM)
  return true
}

const SLASH = 0x2f

function pathOfUlid(id: string): string {
  let time_ms = 0
  for (let at = 0; at < 10; at++) time_ms = time_ms * 32 + (DIGIT_OF[id.charCodeAt(at)] ?? 0)
  return `ledger/orchestration/${ledgerDate(time_ms)}/${id}.json`
}

const CROCKFORD = '0123456789ABCDEFGHJKMNPQRSTVWXYZ'

/** By character code; 32 for what is no digit. */
const DIGIT_OF = Uint8Array.from(
  { length: 128 },
  (_, code) => CROCKFORD.indexOf(String.fromCharCode(code)) & 63,
).map((digit) => Math.min(digit, 32))

/** 26 characters of five bits, of which the first two bits are zero, into four words. */
function writeUlid(words: Uint32Array, from: number, text: string, offset: number): void {
  let word = 0
  let bits = 0
  let pending = 0
  for (let at = 0; at < ID_CHARS; at++) {
    const digit = DIGIT_OF[text.charCodeAt(offset + at)] ?? 0
    const width = at === 0 ? 3 : 5
    const free = 32 - bits
    if (width < free) {
      pending = (pending << width) | digit
      bits += width
    } else {
      const rest = width - free
      words[from + word++] = (pending << free) | (digit >>> rest)
      pending = digit & ((1 << rest) - 1)
      bits = rest
    }
  }
}

function readUlid(words: Uint32Array, from: number): string {
  let id = ''
  for (let at = 0; at < ID_CHARS; at++) {
    const end = 128 - (ID_CHARS - 1 - at) * 5
    const start = Math.max(0, end - 5)
    id += CROCKFORD[bitsOf(words, from, start, end)] ?? ''
  }
  return id
}

/** At most five bits, which may lie in two words. */
function bitsOf(words: Uint32Array, from: number, start: number, end: number): number {
  const word = start >>> 5
  const high = words[from + word] ?? 0
  const shift = (word + 1) * 32 - end
  const mask = (1 << (end - start)) - 1
  if (shift >= 0) return (high >>> shift) & mask
  const low = words[from + word + 1] ?? 0
  return ((high << -shift) | (low >>> (32 + shift))) & mask
}
