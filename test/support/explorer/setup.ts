/** From a scenario to the actors, the production generators among them, and the bucket in which they start. */
import { createHash } from 'node:crypto'
import type { CommitRequest } from '../../../lib/protocol/delta/request.ts'
import { DEFAULT_SETTINGS, type DeltaSettings } from '../../../lib/protocol/delta/settings.ts'
import {
  checkpointHintPath,
  logPath,
  markerPath,
  stagedPath,
  statePath,
} from '../../../lib/protocol/paths.ts'
import { collector, foreignWriter, oldWriter, type ActorRun } from './actors.ts'
import { Buckets, stored, type Body, type Bucket, type Version } from './bucket.ts'
import { idPrefix, type Actor, type Given, type StoreOp, type Surroundings } from './history.ts'
import type { DeltaProtocol } from './protocol.ts'
import { runAlone } from './run-alone.ts'
import {
  idempotencyKey,
  NO_FAULTS,
  payloadText,
  ROOT,
  START_MS,
  TABLE,
  TICK_MS,
  type Budget,
  type Role,
  type Scenario,
} from './scenario.ts'

/** What somebody wants to commit, as the invariants know it. */
export interface Request extends CommitRequest {
  /** Name of the body: `A1`. */
  readonly name: string
  /** Name of the key: `A`. */
  readonly key: string
  /** What was staged for it, whatever lies there later. */
  readonly body: Body
}

/** Who runs the production generators. */
const TIDEMARK: ReadonlySet<Role['role']> = new Set(['commit', 'recover', 'inspect', 'stage'])

/** True for processes of Tidemark: their faults are explored, and their operations checked. */
export function isTidemark({ role }: { readonly role: Role['role'] }): boolean {
  return TIDEMARK.has(role)
}

/** One process of a scenario. */
export interface Part {
  readonly name: string
  readonly role: Role['role']
  readonly actor: Actor
  /** What it wants to commit; null for everybody else. */
  readonly request: Request | null
}

/** A scenario that is ready to start. */
export class Setup {
  readonly scenario: Scenario
  readonly protocol: DeltaProtocol
  readonly buckets: Buckets
  readonly surroundings: Surroundings
  readonly budget: Budget
  readonly parts: readonly Part[]
  /** Every request once, in the order of the cast. */
  readonly requests: readonly Request[]
  /** Everybody is a process of Tidemark: no lost payloads, no strange log entries. */
  readonly hasOnlyCommits: boolean
  /** Where everything starts. */
  readonly first: Bucket
  readonly #settings: DeltaSettings
  readonly #labels = new Map<string, string>()
  readonly #numbers = new Map<string, number>()
  readonly #parts_by_name = new Map<string, Part>()
  readonly #destroyed: ReadonlySet<string>
  #bucket: Bucket
  #actors = 0

  constructor(scenario: Scenario, protocol: DeltaProtocol) {
    this.scenario = scenario
    this.protocol = protocol
    this.budget = { ...NO_FAULTS, ...scenario.budget }
    this.buckets = new Buckets({ tokens: scenario.tokens ?? 'counter', meta: scenario.meta ?? false })
    this.#settings = { ...DEFAULT_SETTINGS, deadline_ms: Number.POSITIVE_INFINITY, ...scenario.settings }
    this.#labels.set(statePath(TABLE), 'state').set(checkpointHintPath(ROOT), 'checkpoint hint')
    this.surroundings = {
      clock: (ticks) => ({
        now_ms: START_MS + ticks * TICK_MS,
        monotonic_ms: scenario.monotonic === 'moves' ? ticks * TICK_MS : 0,
      }),
      body: (bytes) => this.buckets.body(bytes),
      root: { ok: true, root: ROOT, source: 'legacy' },
      root_is_known: scenario.resolver !== 'lookup',
    }
    this.#bucket = this.buckets.empty
    for (let version = 0; version < (scenario.versions ?? 0); version++) this.#commitBefore(version)
    if (scenario.is_state_lost === true) this.#bucket = this.buckets.remove(this.#bucket, statePath(TABLE), 0)
    this.parts = scenario.cast.map((role, index) => this.#part(role, attempt(scenario.cast, index)))
    this.#destroyed = new Set(
      scenario.cast.flatMap((role) => (role.role === 'collector' ? [stagedPathOf(role.body)] : [])),
    )
    this.requests = uniqueRequests(this.parts)
    this.hasOnlyCommits = scenario.cast.every(isTidemark)
    for (let number = 1; number <= FRESH_WRITERS_MAX; number++) this.#request(`F${number}`, -1)
    this.first = this.#bucket
  }

  /** One more process that sends this request. */
  replay(request: Request): Part {
    return this.#once(`${request.name} again`, (name) => this.#commit(name, request))
  }

  /** A writer with a key of its own; `number` tells such writers apart. */
  freshWriter(number: number, read_version: number): Part {
    if (number > FRESH_WRITERS_MAX) throw new RangeError(`at most ${FRESH_WRITERS_MAX} fresh writers`)
    return this.#once(`F${number} at ${read_version}`, (name) =>
      this.#commit(name, {
        ...this.#request(`F${number}`, read_version),
        idempotency_key: this.#key(`F${number}`),
      }),
    )
  }

  /** Nobody's business but the table's. */
  recoverer(): Part {
    return this.#once('recover again', (name) => this.#recover(name))
  }

  /** A path in words: `state`, `marker A`, `log 0`, `staged A1`. */
  label(path: string): string {
    const log = /\/_delta_log\/0*(\d+)\.json$/.exec(path)
    return log === null ? (this.#labels.get(path) ?? path) : `log ${log[1]}`
  }

  /** Written once and never destroyed: what a read of it shows does not change any more (9.4). */
  isFixed(path: string, is_there: boolean): boolean {
    if (path === statePath(TABLE)) return false
    if (path === checkpointHintPath(ROOT)) return true
    if (path.startsWith('delta/staging/')) return !this.#destroyed.has(path)
    return is_there && !this.scenario.cast.some(({ role }) => role === 'marker_loss')
  }

  /** A small number for a text: equal texts, equal numbers. */
  numberOf(text: string): number {
    const known = this.#numbers.get(text)
    if (known !== undefined) return known
    this.#numbers.set(text, this.#numbers.size)
    return this.#numbers.size - 1
  }

  /** True when somebody in the cast destroys this request's staged object. */
  mayLosePayload({ staged_path }: Request): boolean {
    return this.#destroyed.has(staged_path)
  }

  /** The answer of a GET, named after everything that it tells. */
  givenObject(version: (Version & { readonly body: Body }) | undefined, ticks: number): Given {
    if (version === undefined) return ABSENT
    const server_date_ms = this.scenario.times === true ? this.surroundings.clock(ticks).now_ms : null
    const name = `v${version.id}${server_date_ms === null ? '' : `@${ticks}`}`
    return { name, value: stored(version, server_date_ms) }
  }

  /** Perform one operation: the bucket afterwards and the honest answer. */
  perform(bucket: Bucket, op: StoreOp, ticks: number): { readonly bucket: Bucket; readonly given: Given } {
    const written_at_ms = this.scenario.times === true ? this.surroundings.clock(ticks).now_ms : 0
    switch (op.kind) {
      case 'get':
        return { bucket, given: this.givenObject(this.buckets.at(bucket, op.path), ticks) }
      case 'put': {
        const { bucket: after, result } = this.buckets.put(bucket, op, written_at_ms)
        const name = result.outcome === 'ok' ? `ok ${result.token}` : result.outcome
        return { bucket: after, given: { name, value: result } }
      }
      case 'delete':
        return { bucket: this.buckets.remove(bucket, op.path, written_at_ms), given: DONE }
    }
  }

  #part(role: Role, attempt_number: number): Part {
    const numbered = (name: string): string => (attempt_number === 1 ? name : `${name}#${attempt_number}`)
    switch (role.role) {
      case 'commit':
        return this.#commit(numbered(role.body), this.#request(role.body, role.read_version), role.skew_ms)
      case 'recover':
        return this.#recover(numbered('recover'))
      case 'inspect':
        return this.#other(role.role, numbered('inspect'), () => this.protocol.inspect({ table_id: TABLE }))
      case 'stage': {
        const staging = { table_id: TABLE, payload: payloadText(this.scenario, role.body) }
        return this.#other(role.role, numbered(`stage_${role.body}`), () =>
          this.protocol.stage(staging, this.#settings),
        )
      }
      case 'foreign':
        return this.#other(role.role, numbered('foreign'), () => foreignWriter(role.version))
      case 'collector': {
        const { staged_path, body } = this.#request(role.body, -1)
        const other = this.buckets.body(`${body.text}{"commitInfo":{}}\n`)
        const again = role.puts_again === undefined ? null : role.puts_again === 'same' ? body : other
        return this.#other(role.role, numbered('collector'), () =>
          collector(staged_path, again?.bytes ?? null),
        )
      }
      case 'marker_loss': {
        const path = markerPathOf(this.#key(role.key))
        return this.#other(role.role, numbered('marker_loss'), () => collector(path, null))
      }
      case 'old_writer': {
        const request = this.#request(role.body, role.read_version)
        const start = (): ActorRun => oldWriter(request, role)
        return { ...this.#other(role.role, numbered(`old_${role.body}`), start), request }
      }
    }
  }

  #commit(name: string, request: Request, skew_ms = 0): Part {
    const capabilities = { meta: this.scenario.meta ?? false }
    const start = (): ActorRun => this.protocol.commit(request, this.#settings, capabilities)
    return { name, role: 'commit', actor: this.#actor(name, start, skew_ms), request }
  }

  #recover(name: string): Part {
    const capabilities = { meta: this.scenario.meta ?? false }
    return this.#other('recover', name, () =>
      this.protocol.recover({ table_id: TABLE }, this.#settings, capabilities),
    )
  }

  #other(role: Role['role'], name: string, start: () => ActorRun): Part {
    return { name, role, actor: this.#actor(name, start), request: null }
  }

  #actor(name: string, start: () => ActorRun, skew_ms = 0): Actor {
    this.#actors += 1
    const index = this.#actors
    return { name, index, skew_ms, start, drew: (id) => id.startsWith(idPrefix(index)) }
  }

  #once(name: string, make: (name: string) => Part): Part {
    const known = this.#parts_by_name.get(name)
    if (known !== undefined) return known
    const part = make(name)
    this.#parts_by_name.set(name, part)
    return part
  }

  /** What lies in the table before anybody starts is committed by the very code under test. */
  #commitBefore(version: number): void {
    const name = `Z${version}`
    const request = { ...this.#request(name, version - 1), idempotency_key: this.#key(name) }
    this.#bucket = runAlone(this, this.#commit(name, request), this.#bucket, 0).bucket
  }

  /** A request and, unless it is there, its staged object. */
  #request(name: string, read_version: number): Request {
    const staged_path = stagedPathOf(name)
    const body = this.buckets.body(payloadText(this.scenario, name))
    const put = { path: staged_path, body, precondition: 'doesNotExist', meta: undefined } as const
    this.#bucket = this.buckets.put(this.#bucket, put, 0).bucket
    this.#labels.set(staged_path, `staged ${name}`)
    const key = name.slice(0, 1)
    return {
      table_id: TABLE,
      name,
      key,
      body,
      read_version,
      staged_path,
      staged_version: this.buckets.at(this.#bucket, staged_path)?.token ?? '',
      idempotency_key: this.#key(key),
    }
  }

  #key(name: string): string {
    const key = idempotencyKey(name)
    this.#labels.set(markerPathOf(key), `marker ${name}`)
    return key
  }
}

/** How many writers with keys of their own quiescence may send. */
export const FRESH_WRITERS_MAX = 8

/** What is not there. */
const ABSENT: Given = { name: 'absent', value: { outcome: 'not_found' } }

/** What an agent outside the protocol is told. */
const DONE: Given = { name: 'done', value: undefined }

/** Path of the log entry of a version, for tests that look at the bucket. */
export function logOf(version: number): string {
  return logPath(ROOT, version)
}

function markerPathOf(key: string): string {
  return markerPath(TABLE, createHash('sha256').update(key).digest('hex'))
}

function stagedPathOf(name: string): string {
  return stagedPath(TABLE, `01JKTT0G00${name.padStart(16, '0')}`)
}

/** The how-manieth of its kind. */
function attempt(cast: readonly Role[], index: number): number {
  const kind = (role: Role | undefined): string =>
    role === undefined ? '' : `${role.role} ${'body' in role && role.role !== 'collector' ? role.body : ''}`
  return cast.slice(0, index + 1).filter((role) => kind(role) === kind(cast[index])).length
}

function uniqueRequests(parts: readonly Part[]): Request[] {
  const by_name = new Map<string, Request>()
  for (const { request } of parts) if (request !== null) by_name.set(request.name, request)
  return [...by_name.values()]
}
