/** One table of a gate, its writers, and what lies in the bucket for it. */
import { commit } from '../protocol/delta/commit.ts'
import type { CommitResult } from '../protocol/delta/outcomes.ts'
import type { CommitRequest } from '../protocol/delta/request.ts'
import { stage } from '../protocol/delta/stage.ts'
import { legacyRoot, logPath, markerPath, statePath } from '../protocol/paths.ts'
import { sha256Hex } from '../protocol/sha256.ts'
import { freshUuid, type Bench, type ProcessOptions, type Workspace } from './bench.ts'
import { succeeded } from './gate.ts'
import type { Process } from './process.ts'

/** One commit that somebody wants to make: its payload is staged, its request can be sent any number of times. */
export interface Writer {
  readonly payload: string
  readonly request: CommitRequest
}

/** What lies in the bucket, as far as one writer is concerned. */
export interface Picture {
  /** Log entries by version: `own` is the writer's, `another` is not; a path is where no entry of the log belongs. */
  readonly log: readonly string[]
  /** The version that the writer's marker says, or null. */
  readonly marker: number | null
  readonly latest_version: number | null
  /** The version that is reserved, or null. */
  readonly inflight: number | null
}

/** A new table in a workspace. */
export class Table {
  readonly id: string = freshUuid()
  readonly #bench: Bench
  readonly #workspace: Workspace

  constructor(bench: Bench, workspace: Workspace) {
    this.#bench = bench
    this.#workspace = workspace
  }

  /** Root of its log. */
  get root(): string {
    return legacyRoot(this.id)
  }

  /** Stage a payload, and make the request that commits it on top of `read_version`. */
  async writer(name: string, read_version: number): Promise<Writer> {
    const payload = `${JSON.stringify({ commitInfo: { timestamp: 0, operation: 'WRITE', txnId: name } })}\n`
    const staged = await this.#workspace.run(stage({ table_id: this.id, payload }, this.#bench.settings))
    const { staged_path, staged_version } = succeeded('staging a payload', staged)
    const idempotency_key = freshUuid()
    return {
      payload,
      request: { table_id: this.id, read_version, staged_path, staged_version, idempotency_key },
    }
  }

  /** Send a request. */
  async commit({ request }: Writer, options?: ProcessOptions): Promise<CommitResult> {
    return this.#workspace.run(commit(request, this.#bench.settings, this.#bench.capabilities), options)
  }

  /** Begin a request in a process that can be stopped. */
  start({ request }: Writer): Process<CommitResult> {
    return this.#workspace.start(commit(request, this.#bench.settings, this.#bench.capabilities))
  }

  /** Begin a request and kill its process once it has written that often. */
  async kill(writer: Writer, writes: number): Promise<void> {
    await this.start(writer).runUntil((_, written) => written === writes)
  }

  /** How far another process's clock has to be ahead for reservations made now to be past their TTL. */
  get past_ttl(): ProcessOptions {
    return { ahead_ms: this.#bench.settings.ttl_ms + 1_000 }
  }

  /** Look at every object of the table. */
  async picture({ payload, request }: Writer): Promise<Picture> {
    const [log, marker, state] = await Promise.all([
      this.#log(payload),
      this.#workspace.text(markerPath(this.id, sha256Hex(request.idempotency_key))),
      this.#workspace.text(statePath(this.id)),
    ])
    const { latest_version = null, inflight = null } = parsed(state)
    return {
      log,
      marker: parsed(marker).version ?? null,
      latest_version,
      inflight: inflight?.version ?? null,
    }
  }

  async #log(payload: string): Promise<readonly string[]> {
    const entries = await this.#workspace.list(`${this.root}/_delta_log`)
    return Promise.all(
      entries.map(async ({ key }, version) => {
        if (key !== logPath(this.root, version)) return key
        return (await this.#workspace.text(key)) === payload ? 'own' : 'another'
      }),
    )
  }
}

interface Stored {
  readonly version?: number
  readonly latest_version?: number
  readonly inflight?: { readonly version: number } | null
}

/** Members of what the protocol has stored just now; nothing when there is no object. */
function parsed(text: string | null): Stored {
  return text === null ? {} : (JSON.parse(text) as Stored)
}
