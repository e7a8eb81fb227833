/**
 * The bucket of an explored world, as a value. Every body, object generation and bucket of one exploration exists
 * once and has a number, so that equal worlds are recognised by their numbers and what can be derived from a
 * bucket is derived once.
 */
import { createHash } from 'node:crypto'
import type { Meta, PutResult, StoredObject, Token } from '../../../lib/store/types.ts'

/** Bytes that occur in an exploration. */
export interface Body {
  readonly id: number
  readonly bytes: Uint8Array
  readonly text: string
  /** Lower-case hex. */
  readonly sha256: string
}

/** One generation of one object. */
export interface Version {
  readonly id: number
  readonly path: string
  /** Null after a delete: the count of generations goes on (no token is used twice). */
  readonly body: Body | null
  readonly generation: number
  readonly token: Token
  readonly meta: Meta | undefined
  readonly written_at_ms: number
}

/** All objects at one moment. `slots` has one place a path; which one is known to its `Buckets` only. */
export interface Bucket {
  readonly id: number
  readonly slots: readonly (Version | undefined)[]
}

/** How a store spells tokens: a counter of generations, or derived from the bytes as ETags are (ABA, N5). */
export type TokenMode = 'counter' | 'content'

/** What a store of this kind does. */
export interface BucketOptions {
  readonly tokens: TokenMode
  /** Keeps user metadata (R25). */
  readonly meta: boolean
}

/** A put as the store sees it. `anyway` is for agents outside the protocol only. */
export interface BucketPut {
  readonly path: string
  readonly body: Body
  readonly precondition: 'doesNotExist' | { readonly matchesVersion: Token } | 'anyway'
  readonly meta: Meta | undefined
}

/** All buckets of one exploration. */
export class Buckets {
  readonly empty: Bucket
  readonly #options: BucketOptions
  readonly #bodies = new Map<string, Body>()
  readonly #versions = new Map<string, Version>()
  readonly #buckets = new Map<string, Bucket>()
  readonly #slots = new Map<string, number>()

  constructor(options: BucketOptions) {
    this.#options = options
    this.empty = this.#intern([])
  }

  /** The one body with these bytes. */
  body(bytes: Uint8Array | string): Body {
    const exact = typeof bytes === 'string' ? new TextEncoder().encode(bytes) : bytes
    const key = Buffer.from(exact).toString('latin1')
    const known = this.#bodies.get(key)
    if (known !== undefined) return known
    const body: Body = {
      id: this.#bodies.size + 1,
      bytes: exact,
      text: new TextDecoder().decode(exact),
      sha256: createHash('sha256').update(exact).digest('hex'),
    }
    this.#bodies.set(key, body)
    return body
  }

  /** The object at a path, or undefined. */
  at(bucket: Bucket, path: string): (Version & { readonly body: Body }) | undefined {
    const version = bucket.slots[this.#slot(path)]
    return version !== undefined && hasBody(version) ? version : undefined
  }

  /** All objects, in the order in which their paths first occurred. */
  objects(bucket: Bucket): (Version & { readonly body: Body })[] {
    return bucket.slots.filter((version) => version !== undefined && hasBody(version))
  }

  /** One wire attempt, evaluated at once. */
  put(
    bucket: Bucket,
    put: BucketPut,
    now_ms: number,
  ): { readonly bucket: Bucket; readonly result: PutResult } {
    const there = this.at(bucket, put.path)
    const holds =
      put.precondition === 'anyway' ||
      (put.precondition === 'doesNotExist'
        ? there === undefined
        : there !== undefined && there.token === put.precondition.matchesVersion)
    if (!holds) return { bucket, result: { outcome: 'precondition_failed' } }
    const version = this.#version(
      bucket,
      put.path,
      put.body,
      this.#options.meta ? put.meta : undefined,
      now_ms,
    )
    return { bucket: this.#with(bucket, version), result: { outcome: 'ok', token: version.token } }
  }

  /** Delete: what a collector does, never the protocol. */
  remove(bucket: Bucket, path: string, now_ms: number): Bucket {
    if (this.at(bucket, path) === undefined) return bucket
    return this.#with(bucket, this.#version(bucket, path, null, undefined, now_ms))
  }

  #version(
    bucket: Bucket,
    path: string,
    body: Body | null,
    meta: Meta | undefined,
    written_at_ms: number,
  ): Version {
    const is_counted = this.#options.tokens === 'counter'
    // Where tokens come from the bytes nobody can tell generations apart, so equal contents are equal buckets.
    const generation = is_counted ? (bucket.slots[this.#slot(path)]?.generation ?? 0) + 1 : 0
    const key = `${path} ${generation} ${body?.id ?? 0} ${written_at_ms} ${meta === undefined ? '' : JSON.stringify(meta)}`
    const known = this.#versions.get(key)
    if (known !== undefined) return known
    // A counter per key, not per store: which of two objects was written first is nothing that a reader could tell.
    const token = is_counted ? String(generation) : `"${body?.sha256.slice(0, 16) ?? ''}"`
    const version: Version = {
      id: this.#versions.size + 1,
      path,
      body,
      generation,
      token,
      meta,
      written_at_ms,
    }
    this.#versions.set(key, version)
    return version
  }

  #with(bucket: Bucket, version: Version): Bucket {
    const slots = bucket.slots.slice()
    const slot = this.#slot(version.path)
    while (slots.length <= slot) slots.push(undefined)
    slots[slot] = version
    return this.#intern(slots)
  }

  #intern(slots: readonly (Version | undefined)[]): Bucket {
    const key = slots.map((version) => version?.id ?? 0).join(' ')
    const known = this.#buckets.get(key)
    if (known !== undefined) return known
    const bucket: Bucket = { id: this.#buckets.size + 1, slots }
    this.#buckets.set(key, bucket)
    return bucket
  }

  #slot(path: string): number {
    const known = this.#slots.get(path)
    if (known !== undefined) return known
    const slot = this.#slots.size
    this.#slots.set(path, slot)
    return slot
  }
}

function hasBody(version: Version): version is Version & { readonly body: Body } {
  return version.body !== null
}

/** What a GET shows of a generation; the times only where the store tells them (CK-2). */
export function stored(
  version: Version & { readonly body: Body },
  server_date_ms: number | null,
): StoredObject {
  return {
    outcome: 'ok',
    bytes: version.body.bytes,
    token: version.token,
    ...(version.meta === undefined ? {} : { meta: version.meta }),
    ...(server_date_ms === null ? {} : { server_date_ms, last_modified_ms: version.written_at_ms }),
  }
}
