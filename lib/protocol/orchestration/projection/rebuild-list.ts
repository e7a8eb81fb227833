/**
 * The list of a rebuild, as operators write it (spec/rebuild.md 5, RB-9). Three forms, all below
 * `state/orchestration/rebuilds/` and ending in `.json`:
 *
 *     {"event_paths": ["ledger/orchestration/…", …]}       the form of the runbook
 *     "ledger/orchestration/…"⏎"ledger/orchestration/…"⏎   one JSON string a line, for large lists
 *     {"manifests": ["state/orchestration/rebuilds/…", …]} lists of either form, for very large ones; an entry may
 *                                                          be an artifact reference, and then its hash is checked
 *
 * Of a list only its events are kept, so that a list of any length takes what its longest part takes.
 */
import * as z from 'zod'
import { all, sha256, type Protocol, type ReadAnswer } from '../../effects.ts'
import { JsonError, parseJson, type JsonValue } from '../../json.ts'
import { isRebuildManifestPath } from '../paths.ts'
import { ArtifactRef, pathOf } from './artifact.ts'
import { eventListBuilder, type EventList, type EventListBuilder } from './event-list.ts'
import { REBUILD_MANIFEST_BYTES_MAX, REBUILD_PARTS_MAX, REBUILD_PATHS_MAX } from './limits.ts'
import { addRefusal, pathProblem, refuseBadEvents, type Refusals } from './load-events.ts'
import { Refused } from './outcomes.ts'

/** Parts that are read together. */
const PARTS_TOGETHER = 4

const ListDocument = z.object({ event_paths: z.array(z.string()) })

const Part = ArtifactRef.refine((ref) => isRebuildManifestPath(pathOf(ref)))

const PartsDocument = z.object({ manifests: z.array(Part).max(REBUILD_PARTS_MAX) })

/** What a list holds, and a name for it that does not depend on its form or order. */
export interface RebuildList {
  readonly events: EventList
  /** Paths as listed, repeated ones too. */
  readonly listed: number
  readonly digest: string
}

/** Read a list with all its parts. Refuses when it is not one, with every bad path of it. */
export function* readRebuildList(path: string): Protocol<RebuildList> {
  if (!isRebuildManifestPath(path)) {
    const detail = "invalid rebuild_manifest_path: expected 'state/orchestration/rebuilds/*.json'"
    throw new Refused({ ok: false, reason: 'bad_request', detail })
  }
  const reader = newReader()
  const bytes = yield* readList(path)
  const parts = partsOf(path, bytes)
  if (parts === null) addPaths(reader, path, bytes)
  else yield* readParts(reader, path, parts)
  refuseBadEvents(reader.refusals)
  const events = reader.builder.build()
  return { events, listed: reader.builder.listed, digest: yield* digestOf(events) }
}

interface ListReader {
  readonly builder: EventListBuilder
  readonly refusals: Refusals
}

function newReader(): ListReader {
  return { builder: eventListBuilder(), refusals: { events: [], truncated: false } }
}

function* readList(path: string): Protocol<Uint8Array> {
  const [answer] = yield* all([{ kind: 'get', path, bytes_max: REBUILD_MANIFEST_BYTES_MAX }])
  return listBytes(path, answer)
}

function listBytes(path: string, answer: ReadAnswer): Uint8Array {
  if (answer.outcome === 'ok') return answer.bytes
  if (answer.outcome === 'not_found') {
    throw new Refused({ ok: false, reason: 'rebuild_manifest_not_found', path })
  }
  const { code } = answer.error
  if (code === 'too_large') throw invalid(path, `expected at most ${REBUILD_MANIFEST_BYTES_MAX} bytes`)
  throw code === 'corrupt' ? invalid(path, 'it does not arrive whole') : answer.error
}

/** The lists that a manifest of manifests names; null for a list. */
function partsOf(path: string, bytes: Uint8Array): readonly ArtifactRef[] | null {
  if (!isObject(bytes)) return null
  const json = parsed(path, bytes)
  if (typeof json !== 'object' || json === null || !('manifests' in json)) return null
  if ('event_paths' in json) throw invalid(path, 'expected either event_paths or manifests, saw both')
  const document = PartsDocument.safeParse(json)
  if (!document.success) {
    const expected = `expected {"manifests": [at most ${REBUILD_PARTS_MAX} paths or references of lists below state/orchestration/rebuilds/]}`
    throw invalid(path, expected + placeOf(document.error))
  }
  return document.data.manifests
}

/** A few parts at a time. */
function* readParts(reader: ListReader, path: string, parts: readonly ArtifactRef[]): Protocol<void> {
  for (let from = 0; from < parts.length; from += PARTS_TOGETHER) {
    const refs = parts.slice(from, from + PARTS_TOGETHER)
    const contents = yield* readTogether(refs)
    for (const [index, ref] of refs.entries()) {
      const bytes = contents[index] ?? new Uint8Array()
      if (partsOf(pathOf(ref), bytes) !== null) {
        throw invalid(path, 'expected lists, saw another manifest of manifests')
      }
      addPaths(reader, pathOf(ref), bytes)
    }
  }
}

/** A part that is missing, or not what its hash says, makes a list that cannot be used. */
function* readTogether(refs: readonly ArtifactRef[]): Protocol<Uint8Array[]> {
  const answers = yield* all(
    refs.map((ref) => ({ kind: 'get' as const, path: pathOf(ref), bytes_max: REBUILD_MANIFEST_BYTES_MAX })),
  )
  const contents = refs.map((ref, index) =>
    listBytes(pathOf(ref), answers[index] ?? { outcome: 'not_found' }),
  )
  const hashes = yield* all(contents.map((bytes) => ({ kind: 'sha256' as const, bytes })))
  for (const [index, ref] of refs.entries()) {
    if (typeof ref !== 'string' && ref.checksum_sha256 !== `sha256:${hashes[index] ?? ''}`) {
      throw invalid(ref.path, 'its SHA-256 is not the one in the manifest')
    }
  }
  return contents
}

function addPaths(reader: ListReader, path: string, bytes: Uint8Array): void {
  const add = (event_path: string): void => {
    if (reader.builder.listed >= REBUILD_PATHS_MAX)
      throw invalid(path, `expected at most ${REBUILD_PATHS_MAX} paths`)
    if (reader.builder.add(event_path)) return
    const problem = pathProblem(event_path)
    if (problem !== null) addRefusal(reader.refusals, problem)
  }
  if (isObject(bytes)) {
    const document = ListDocument.safeParse(parsed(path, bytes))
    if (!document.success) {
      throw invalid(path, `expected {"event_paths": [strings]}${placeOf(document.error)}`)
    }
    document.data.event_paths.forEach(add)
  } else {
    for (const line of linesOf(bytes)) add(stringOf(path, line))
  }
}

/** Where a document is not what was expected: `event_paths[3]`. */
function placeOf({ issues }: z.ZodError): string {
  const [member, index] = issues[0]?.path ?? []
  if (member === undefined) return ''
  return `, saw something else at ${String(member)}${index === undefined ? '' : `[${String(index)}]`}`
}

const NEWLINE = 0x0a
const QUOTE = 0x22
const BACKSLASH = 0x5c

/** A list of lines begins with a string; anything else has to be a JSON object. */
function isObject(bytes: Uint8Array): boolean {
  return bytes.find((byte) => byte > 0x20) !== QUOTE
}

/** One line that is not empty. */
interface Line {
  /** From 1, empty lines counted. */
  readonly number: number
  readonly bytes: Uint8Array
}

function* linesOf(bytes: Uint8Array): Generator<Line> {
  for (let from = 0, number = 1; from < bytes.length; number++) {
    const end = bytes.indexOf(NEWLINE, from)
    const to = end === -1 ? bytes.length : end
    const line = trimmed(bytes.subarray(from, to))
    if (line.length > 0) yield { number, bytes: line }
    from = to + 1
  }
}

function trimmed(line: Uint8Array): Uint8Array {
  let from = 0
  let to = line.length
  while (from < to && (line[from] ?? 0) <= 0x20) from += 1
  while (to > from && (line[to - 1] ?? 0) <= 0x20) to -= 1
  return line.subarray(from, to)
}

const UTF8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

/** A JSON string; event paths have nothing to escape, and then the text is what stands between the quotes. */
function stringOf(path: string, { number, bytes }: Line): string {
  const where = `line ${number}: `
  if (
    bytes.length >= 2 &&
    bytes[0] === QUOTE &&
    bytes.at(-1) === QUOTE &&
    bytes.indexOf(QUOTE, 1) === bytes.length - 1
  ) {
    if (!bytes.includes(BACKSLASH)) return decoded(path, bytes.subarray(1, -1), where)
  }
  const value = parsed(path, bytes, where)
  if (typeof value !== 'string') throw invalid(path, `${where}expected one JSON string a line`)
  return value
}

function decoded(path: string, bytes: Uint8Array, where: string): string {
  try {
    return UTF8.decode(bytes)
  } catch {
    throw invalid(path, `${where}expected UTF-8`)
  }
}

function parsed(path: string, bytes: Uint8Array, where = ''): JsonValue {
  try {
    return parseJson(bytes)
  } catch (error) {
    if (error instanceof JsonError) throw invalid(path, where + error.message)
    throw error
  }
}

function invalid(path: string, detail: string): Refused {
  return new Refused({
    ok: false,
    reason: 'rebuild_manifest_invalid',
    path,
    detail: `failed to parse ledger rebuild manifest at ${path}: ${detail}`,
  })
}

/** A hash of the events, whatever the order, the repetitions and the form of the list. */
function* digestOf(events: EventList): Protocol<string> {
  const encoder = new TextEncoder()
  const digests: string[] = []
  for (const block of events.blocks()) digests.push(yield* sha256(block))
  return yield* sha256(encoder.encode(digests.join('\n')))
}
