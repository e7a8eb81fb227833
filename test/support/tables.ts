/**
 * A table under test and what an operator would see of it. Processes get a store that refuses to list and to delete;
 * the test looks at the bucket itself. `useTables` closes every table after its test and fails the test when a request
 * path listed or deleted (CO-28, C17, C20).
 */
import { afterEach, expect } from 'vitest'
import type { MaintenanceStore, Meta } from '../../lib/store/types.ts'
import {
  commitKeys,
  freshId,
  freshPayload,
  sha256Hex,
  START_MS,
  testClock,
  testService,
  type Answer,
  type CommitCall,
  type TestClock,
  type TestService,
  type TestServiceOptions,
} from './service.ts'
import { forbidListing, readBucket, type MakeStore, type TestStore } from './stores.ts'

/** The reservation TTL that every deployment has (spec/coordinator.md 12). */
export const TTL_MS = 300_000

/** One commit that somebody wants to make: staged, and ready to be sent any number of times. */
export interface Writer {
  /** How pictures call it. */
  readonly name: string
  readonly payload: string
  readonly call: CommitCall
}

/** What a test may put between a process and the bucket. */
export type Wrap = (store: MaintenanceStore) => MaintenanceStore

/** A process of its own; everything else as the table's first one. */
export interface ProcessOptions extends TestServiceOptions {
  readonly wrap?: Wrap
}

/** How a table starts. */
export interface TableOptions extends TestServiceOptions {
  /** The store says its own times, by the table's clock (memory only; a folder always has its own). */
  readonly provider_clock?: boolean
  /** Root of the table when the resolver says another one than `tables/{table_id}`. */
  readonly root?: string
  readonly table_id?: string
}

/** The bucket as an operator works on it, by relative keys. */
export interface Bucket {
  /** The bytes as text, or null. */
  read(key: string): Promise<string | null>
  token(key: string): Promise<string>
  /** Put, whatever is there; the token. `meta` is user metadata, where the store keeps it. */
  write(key: string, text: string, meta?: Meta): Promise<string>
  writeBytes(key: string, bytes: Uint8Array, meta?: Meta): Promise<string>
  remove(key: string): Promise<void>
  /** Everything in the scope. */
  all(): Promise<Record<string, string>>
}

/** One table in a bucket of its own. */
export interface Table {
  readonly table_id: string
  readonly root: string
  readonly clock: TestClock
  /** What processes get. */
  readonly store: MaintenanceStore
  /** Equal bytes give equal tokens (spec/storage.md 5.4). */
  readonly has_content_tokens: boolean
  readonly bucket: Bucket
  readonly service: TestService
  /** Another process over the same bucket. */
  process(options?: ProcessOptions): TestService
  /** Stage a payload and make the request that would commit it. */
  writer(name: string, read_version: number, options?: WriterOptions): Promise<Writer>
  /** Stage and commit. */
  committed(name: string, read_version: number): Promise<Writer>
  /** Commit versions 0 to `last`; pictures leave them out, and fail when anything of them changes. */
  history(last: number): Promise<void>
  /** Put an object that no request staged at a log version. */
  foreign(version: number, text?: string): Promise<void>
  keys(writer: Writer, version: number): ReturnType<typeof commitKeys>
  /** The whole bucket in the words of spec/coordinator.md 7, relative to `n`. */
  picture(n: number): Promise<Picture>
  /** The state as it is stored. */
  // oxlint-disable-next-line typescript/no-explicit-any -- JSON of any shape; tests assert on it
  state(): Promise<any>
  /** Write the state, members as given. */
  setState(state: Readonly<Record<string, unknown>>): Promise<void>
  /** The status with the version or the reason: `200 v`, `409 reserved`, `409 stale_read_version latest v`. */
  told(answer: Answer, n: number): string
}

/** What a writer may bring along. */
export interface WriterOptions {
  readonly payload?: string
  readonly idempotency_key?: string
}

/** The bucket in words: `n` is `latest_version` before the request, `v` is `n+1`. */
export interface Picture {
  /** `{n, null}`, `{n, K@v}`; an absent object is the empty table, or `absent` when the table has versions. */
  readonly state: string
  /** `K@v`: log entry v holds exactly what K staged. In order of version, above n. */
  readonly log: readonly string[]
  /** `K@v`: the marker says so, and every other member of it is right. */
  readonly markers: readonly string[]
  readonly staged: readonly string[]
}

/** The text of every `foreign` log entry that does not say otherwise. */
export const FOREIGN_TEXT = '{"commitInfo":{"timestamp":7,"engineInfo":"another system"}}\n'

/** Tables over one kind of store. Call it in a `describe`; each call of the result is a fresh bucket. */
export function useTables(make: MakeStore): (options?: TableOptions) => Table {
  const open: { readonly close: () => void; readonly violations: readonly string[] }[] = []
  afterEach(() => {
    const closing = open.splice(0)
    for (const { close } of closing) close()
    expect(closing.flatMap(({ violations }) => violations)).toEqual([])
  })
  return (options = {}) => {
    const clock = options.clock ?? testClock()
    const opened = make(options.provider_clock === true ? () => clock.now_ms : undefined)
    const guarded = forbidListing(opened.store)
    open.push({ close: opened.close, violations: guarded.violations })
    return makeTable(opened, guarded.store, { ...options, clock })
  }
}

function makeTable(
  { store: everything, has_content_tokens = false }: TestStore,
  store: MaintenanceStore,
  options: TableOptions & { readonly clock: TestClock },
): Table {
  const { clock, table_id = freshId() } = options
  const root = options.root ?? `tables/${table_id}`
  const writers: Writer[] = []
  const foreign_texts = new Set<string>([FOREIGN_TEXT])
  let history: Readonly<Record<string, string>> = {}

  const process = ({ wrap = (bare) => bare, ...own }: ProcessOptions = {}): TestService =>
    testService(wrap(store), { ...options, ...own })
  const service = process()
  const bucket = operatorView(everything, service.prefix)
  const state_key = `delta/coordinator/${table_id}.json`

  const table: Table = {
    table_id,
    root,
    clock,
    store,
    has_content_tokens,
    bucket,
    service,
    process,
    async writer(name, read_version, { payload = freshPayload(), idempotency_key = freshId() } = {}) {
      const staged = await service.stage(table_id, payload)
      const writer = { name, payload, call: { table_id, read_version, ...staged, idempotency_key } }
      writers.push(writer)
      return writer
    },
    async committed(name, read_version) {
      const writer = await table.writer(name, read_version)
      const answer = await service.commit(writer.call)
      if (answer.status !== 200) throw new Error(`expected a commit, got ${JSON.stringify(answer.body)}`)
      return writer
    },
    async history(last) {
      for (let version = 0; version <= last; version++) await table.committed(`old ${version}`, version - 1)
      const entries = Object.entries(await bucket.all())
      history = Object.fromEntries(entries.filter(([key]) => key !== state_key && !isCatalog(key)))
    },
    async foreign(version, text = FOREIGN_TEXT) {
      foreign_texts.add(text)
      await bucket.write(logKey(root, version), text)
    },
    keys: (writer, version) => ({
      ...commitKeys(table_id, writer.call.idempotency_key, version),
      log: logKey(root, version),
    }),
    async picture(n) {
      const all = await bucket.all()
      for (const [key, text] of Object.entries(history)) {
        if (all[key] !== text) throw new Error(`the history was touched: ${key} is now ${all[key]}`)
      }
      const { [state_key]: state = null, ...rest } = all
      const objects = Object.entries(rest).filter(([key]) => history[key] === undefined)
      return paint({ n, root, table_id, writers, foreign_texts, state, objects, all })
    },
    state: async () => JSON.parse((await bucket.read(state_key)) ?? 'null'),
    async setState(state) {
      await bucket.write(state_key, JSON.stringify(state))
    },
    told({ status, body }, n) {
      if (status !== 200) {
        const { reason, latest_version } = body
        return `${status} ${reason}${latest_version === undefined ? '' : ` latest ${symbol(latest_version, n)}`}`
      }
      const path = logKey(root, body.version)
      return `200 ${symbol(body.version, n)}${body.delta_log_path === path ? '' : ` at ${body.delta_log_path}`}`
    },
  }
  return table
}

function operatorView(store: MaintenanceStore, prefix: string): Bucket {
  async function writeBytes(key: string, bytes: Uint8Array, meta?: Meta): Promise<string> {
    const put = await store.put(prefix + key, bytes, 'none', meta === undefined ? {} : { meta })
    if (put.outcome !== 'ok') throw new Error(`${key}: ${put.outcome}`)
    return put.token
  }
  return {
    async read(key) {
      const object = await store.get(prefix + key)
      return object.outcome === 'ok' ? new TextDecoder().decode(object.bytes) : null
    },
    async token(key) {
      const object = await store.head(prefix + key)
      if (object.outcome !== 'ok') throw new Error(`no object ${key}`)
      return object.token
    },
    write: async (key, text, meta) => writeBytes(key, new TextEncoder().encode(text), meta),
    writeBytes,
    async remove(key) {
      await store.delete(prefix + key)
    },
    async all() {
      const all = await readBucket(store)
      return Object.fromEntries(
        Object.entries(all).map(([key, text]) => {
          if (!key.startsWith(prefix)) throw new Error(`an object outside of the scope: ${key}`)
          return [key.slice(prefix.length), text]
        }),
      )
    },
  }
}

/** Path of a log entry, spelled out by hand. */
export function logKey(root: string, version: number): string {
  return `${root}/_delta_log/${String(version).padStart(20, '0')}.json`
}

/** Whether the clock says START plus the TTL or the moment of the reservation. */
export const TTLS = ['before TTL', 'after TTL'] as const

/** Before or after the reservation's TTL. */
export type Ttl = (typeof TTLS)[number]

/** Let the TTL pass, or not. */
export function waitUntil(clock: TestClock, ttl: Ttl): void {
  clock.now_ms = ttl === 'before TTL' ? START_MS + TTL_MS - 1 : START_MS + TTL_MS
}

function symbol(version: number, n: number): string {
  if (version === n) return 'n'
  if (version === n + 1) return 'v'
  return version > n ? `v+${version - n - 1}` : `n-${n - version}`
}

interface Painting {
  readonly n: number
  readonly root: string
  readonly table_id: string
  readonly writers: readonly Writer[]
  readonly foreign_texts: ReadonlySet<string>
  readonly state: string | null
  readonly objects: readonly (readonly [key: string, text: string])[]
  readonly all: Readonly<Record<string, string>>
}

/** Throws for an object that no commit explains: a picture is of the whole bucket. */
function paint(it: Painting): Picture {
  const picture = { log: [] as string[], markers: [] as string[], staged: [] as string[] }
  for (const [key, text] of it.objects) {
    if (key.includes('/_delta_log/')) picture.log.push(paintLog(it, key, text))
    else if (key.startsWith('delta/idempotency/')) picture.markers.push(paintMarker(it, key, text))
    else if (key.startsWith('delta/staging/')) picture.staged.push(paintStaged(it, key, text))
    else if (!isCatalog(key)) throw new Error(`no commit explains ${key}`)
  }
  return {
    state: paintState(it),
    log: picture.log,
    markers: picture.markers.toSorted(),
    staged: picture.staged.toSorted(),
  }
}

/** The catalog is of no concern to a picture. */
function isCatalog(key: string): boolean {
  return key.startsWith('manifests/') || key.startsWith('snapshots/catalog/')
}

function paintLog({ root, n, writers, foreign_texts }: Painting, key: string, text: string): string {
  const [, log_root = '', digits] = /^(.*)\/_delta_log\/(\d{20})\.json$/.exec(key) ?? []
  if (digits === undefined) return key.slice(root.length + 1)
  const version = Number(digits)
  const owner = writers.find(({ payload }) => payload === text)?.name
  const name = owner ?? (foreign_texts.has(text) ? 'foreign' : seal(text))
  if (name === null) throw new Error(`nobody staged log entry ${version}: ${text}`)
  return `${name}@${symbol(version, n)}${log_root === root ? '' : ` at ${log_root}`}`
}

/** A no-op commit (HP-6). Its content has tests of its own. */
function seal(text: string): string | null {
  return text.includes('"operation":"NOOP"') ? 'seal' : null
}

function paintMarker({ root, table_id, n, writers }: Painting, key: string, text: string): string {
  const marker = JSON.parse(text)
  const { version, request_hash } = marker
  const writer = writers.find(
    (other) => other.call.idempotency_key === marker.idempotency_key && requestHashOf(other) === request_hash,
  )
  if (writer === undefined) throw new Error(`no request explains the marker ${text}`)
  const { idempotency_key, read_version, staged_path, staged_version } = writer.call
  const expected = {
    idempotency_key,
    idempotency_key_hash: sha256Hex(idempotency_key),
    request_hash,
    version,
    delta_log_path: logKey(root, version),
    committed_at_ms: expect.any(Number),
  }
  const additive = {
    payload_sha256: sha256Hex(writer.payload),
    read_version,
    staged_path,
    staged_version: expect.any(String),
  }
  if (marker.payload_sha256 === undefined) expect(marker).toEqual(expected)
  else expect({ staged_version, ...marker }).toMatchObject({ ...expected, ...additive })
  expect(key).toBe(commitKeys(table_id, idempotency_key, version).marker)
  return `${writer.name}@${symbol(version, n)}`
}

function paintStaged({ writers }: Painting, key: string, text: string): string {
  const writer = writers.find(({ call }) => call.staged_path === key)
  if (writer === undefined) throw new Error(`nobody put ${key}`)
  return writer.payload === text ? writer.name : `${writer.name} (other bytes)`
}

function paintState(it: Painting): string {
  const { state: text, n, writers } = it
  if (text === null) return n === -1 ? '{n, null}' : 'absent'
  const state = JSON.parse(text)
  checkLastCommit(it, state)
  const latest = symbol(state.latest_version, n)
  if (state.inflight === null) return `{${latest}, null}`
  const { commit_id, staged_path, version } = state.inflight
  const owner = writers.find(
    ({ call }) => call.idempotency_key === commit_id && call.staged_path === staged_path,
  )
  return `{${latest}, ${owner?.name ?? commit_id}@${symbol(version, n)}}`
}

/** `last_commit` is null or a commit that is in the log with its marker durable (R3). */
function checkLastCommit({ all, writers, root, table_id }: Painting, state: StoredState): void {
  const { last_commit } = state
  if (last_commit === undefined || last_commit === null) return
  const { commit_id, version } = last_commit
  const writer = writers.find(
    ({ call }) => call.idempotency_key === commit_id && call.staged_path === last_commit.staged_path,
  )
  if (writer === undefined) throw new Error(`nobody made last_commit ${JSON.stringify(last_commit)}`)
  expect(last_commit).toEqual({
    commit_id,
    read_version: writer.call.read_version,
    staged_path: writer.call.staged_path,
    payload_sha256: sha256Hex(writer.payload),
    version: writer.call.read_version + 1,
    delta_log_path: logKey(root, version),
  })
  expect(all[logKey(root, version)]).toBe(writer.payload)
  expect(all).toHaveProperty([commitKeys(table_id, commit_id, version).marker])
}

interface StoredState {
  readonly last_commit?: {
    readonly commit_id: string
    readonly staged_path: string
    readonly version: number
  } | null
}

/** `request_hash` of spec/coordinator.md 4.1, without the code under test: the members are in canonical order. */
export function requestHashOf({ call, payload }: Writer): string {
  const { idempotency_key, read_version, staged_path } = call
  return sha256Hex(
    JSON.stringify({
      idempotency_key,
      read_version,
      staged_path,
      staged_payload_sha256: sha256Hex(payload),
    }),
  )
}

/** `legacy_hash` of spec/coordinator.md 4.1. */
export function legacyHashOf({ call }: Writer): string {
  const { idempotency_key, read_version, staged_path, staged_version } = call
  return sha256Hex(JSON.stringify({ idempotency_key, read_version, staged_path, staged_version }))
}
