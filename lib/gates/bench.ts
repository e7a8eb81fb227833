/**
 * Where the gates work: workspaces that nobody else has, in the configured bucket, through the same driver as every commit.
 * Every object that they write lies in one of these, and is deleted when the gates are over.
 */
import { ulid } from 'ulid'
import { v7 } from 'uuid'
import { tableResolver, type TableResolver } from '../protocol/delta/resolve.ts'
import { DEFAULT_SETTINGS, type DeltaSettings } from '../protocol/delta/settings.ts'
import type { Protocol } from '../protocol/effects.ts'
import type { ProjectionSettings } from '../protocol/orchestration/projection/settings.ts'
import { run, type Environment } from '../protocol/run.ts'
import { scopedMaintenanceStore, scopedStore } from '../store/scoped.ts'
import type { ListedObject, MaintenanceStore, Precondition, PutResult, Store } from '../store/types.ts'
import { Broken, Undecided } from './gate.ts'
import { Process } from './process.ts'

/** What the gates need of the process that runs them. */
export interface GatesDeps {
  /** Unscoped, with time limits; the gates see it through workspaces of their own only. */
  readonly store: MaintenanceStore
  /** In which tenant the workspaces of the gates are: for credentials that reach no other. */
  readonly tenant?: string
  readonly settings: DeltaSettings
  readonly projection: Omit<ProjectionSettings, 'scope'>
  /** Clock, ids and hashes of this process, for operations on this store. */
  environment(store: Store, resolver: TableResolver): Environment
}

/** How a process differs from the others of its workspace. */
export interface ProcessOptions {
  /** How far its clock is ahead, ms: reservations that others made are that much older to it. */
  readonly ahead_ms?: number
}

/** One workspace, and the processes that work in it. */
export interface Workspace {
  /** Everything, for looking at what is there. */
  readonly store: MaintenanceStore
  readonly projection: ProjectionSettings
  /** Run an operation to its end. */
  run<R>(protocol: Protocol<R>, options?: ProcessOptions): Promise<R>
  /** Begin an operation that can be stopped. */
  start<R>(protocol: Protocol<R>, options?: ProcessOptions): Process<R>
  /** Store an object that must not be there. */
  write(path: string, bytes: Uint8Array): Promise<void>
  /** The bytes of an object as text, or null. */
  text(path: string): Promise<string | null>
  /** Every object below a prefix. */
  list(prefix: string): Promise<readonly ListedObject[]>
}

/** Whose events the gates fold, whatever the workspace is called that they lie in: equal ledgers give equal rows. */
const EVENT_SCOPE = { tenant: 'gates', workspace: 'gates' }

/** Of the workspaces of the gates, unless told. */
const DEFAULT_TENANT = 'gates'

const LIST_PAGE = 1_000
/** Deletes that are under way together. */
const DELETES_MAX = 16
/** Passes over a workspace; more than one only when a write lands after its process was given up. */
const PASSES_MAX = 3

/** One run of the gates. */
export class Bench {
  /** What the name of every workspace of this run starts with. */
  readonly run: string = `gates-${freshUlid().toLowerCase()}`
  readonly tenant: string
  readonly settings: DeltaSettings
  /** Listings that an operation asked for; none of those under test may. */
  listings = 0
  readonly #deps: GatesDeps
  readonly #workspaces = new Set<string>()

  constructor(deps: GatesDeps) {
    this.#deps = deps
    this.tenant = deps.tenant ?? DEFAULT_TENANT
    // What a deployment tells of single tables is not about those of the gates.
    const { unknownOwner, lostPayload } = DEFAULT_SETTINGS
    this.settings = { ...deps.settings, unknownOwner, lostPayload }
  }

  /** Owner metadata on log entries, where the store has it. */
  get capabilities(): { readonly meta: boolean } {
    return this.#deps.store.capabilities
  }

  /** What every key of this run starts with. */
  get prefix(): string {
    return `tenant=${this.tenant}/workspace=${this.run}-`
  }

  /** A workspace of this run; every gate takes its own. */
  workspace(name: string): Workspace {
    const scope = { tenant: this.tenant, workspace: `${this.run}-${name}` }
    this.#workspaces.add(scope.workspace)
    const store = scopedMaintenanceStore(this.#deps.store, scope)
    const resolver = tableResolver(
      { mode: 'legacy' },
      { ...scope, bucket: { scheme: 'gates', authority: '' } },
    )
    const environment = ({ ahead_ms = 0 }: ProcessOptions = {}): Environment => {
      const env = this.#deps.environment(this.#unlistable(scopedStore(this.#deps.store, scope)), resolver)
      return { ...env, now: () => env.now() + ahead_ms }
    }
    return {
      store,
      projection: { ...this.#deps.projection, scope: EVENT_SCOPE },
      run: async (protocol, options) => run(protocol, environment(options)),
      start: (protocol, options) => new Process(protocol, environment(options)),
      async write(path, bytes) {
        const { outcome } = await evaluated(store, path, bytes, 'doesNotExist')
        if (outcome !== 'ok') throw new Undecided(`${path} could not be written: ${outcome}`)
      },
      async text(path) {
        const object = await store.get(path)
        return object.outcome === 'ok' ? new TextDecoder().decode(object.bytes) : null
      },
      list: async (prefix) => listed(store, prefix),
    }
  }

  /** Throws the StoreError of a store that does not let this run list and delete: what it wrote would stay. */
  async checkCleanUp(): Promise<void> {
    const { store } = this.workspace('clean-up')
    await store.listPage({ prefix: '', limit: 1 })
    await store.delete('nothing')
  }

  /** Delete everything below the workspaces of this run. How many objects went, and how many are left. */
  async cleanUp(): Promise<{ readonly removed: number; readonly left: number }> {
    let removed = 0
    let left = 0
    for (const workspace of this.#workspaces) {
      const store = scopedMaintenanceStore(this.#deps.store, { tenant: this.tenant, workspace })
      let objects = await listed(store, '')
      for (let pass = 0; objects.length > 0 && pass < PASSES_MAX; pass++) {
        removed += await deleted(store, objects)
        objects = await listed(store, '')
      }
      left += objects.length
    }
    return { removed, left }
  }

  /** With a listing that refuses and counts, for operations that must not know of one (C17, P10). */
  #unlistable(store: Store): Store {
    const listPage = async (): Promise<never> => {
      this.listings += 1
      throw new Broken('an operation that must not list asked for a listing')
    }
    return Object.assign({}, store, { listPage })
  }
}

async function listed(store: MaintenanceStore, prefix: string): Promise<readonly ListedObject[]> {
  const all: ListedObject[] = []
  let start_after: string | undefined
  do {
    const page = await store.listPage({
      prefix,
      limit: LIST_PAGE,
      ...(start_after === undefined ? {} : { start_after }),
    })
    all.push(...page.objects)
    start_after = page.next_start_after
  } while (start_after !== undefined)
  return all
}

async function deleted(store: MaintenanceStore, objects: readonly ListedObject[]): Promise<number> {
  let removed = 0
  for (let from = 0; from < objects.length; from += DELETES_MAX) {
    const batch = objects.slice(from, from + DELETES_MAX)
    const results = await Promise.allSettled(batch.map(async ({ key }) => store.delete(key)))
    removed += results.filter(({ status }) => status === 'fulfilled').length
  }
  return removed
}

/** Attempts of a put that the store refuses to evaluate now: several allow one write a second to a key. */
const PUT_ATTEMPTS = 5
const PUT_WAIT_MS = 1_200

/** A put of our own; sent again while the store says that it did not evaluate it. */
export async function evaluated(
  store: Store,
  path: string,
  bytes: Uint8Array,
  precondition: Exclude<Precondition, 'none'>,
): Promise<PutResult> {
  for (let attempt = 1; ; attempt++) {
    const result = await store.put(path, bytes, precondition)
    if (result.outcome !== 'no_effect' || attempt === PUT_ATTEMPTS) return result
    const wait_ms = Math.max(PUT_WAIT_MS, result.retry_after_ms ?? 0)
    await new Promise((resolve) => setTimeout(resolve, wait_ms))
  }
}

/** A fresh ULID; with another time, epoch ms, for the ids of events. */
export function freshUlid(time_ms?: number): string {
  return ulid(time_ms, () => (crypto.getRandomValues(new Uint32Array(1))[0] ?? 0) / 2 ** 32)
}

/** A fresh UUIDv7: a table id, or an idempotency key. */
export function freshUuid(): string {
  return v7()
}
