/**
 * The R2 driver where it runs in production: in workerd, over a real binding to miniflare's R2. A test outside sees it as
 * a store; every call is one request to the worker, which makes the same call there.
 */
import { existsSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Miniflare } from 'miniflare'
import { afterAll, beforeAll } from 'vitest'
import { ABORTED, unlessAborted } from '../../../lib/store/network.ts'
import { scopedMaintenanceStore } from '../../../lib/store/scoped.ts'
import {
  StoreError,
  type ListRequest,
  type MaintenanceStore,
  type Meta,
  type Precondition,
  type StoreErrorCode,
} from '../../../lib/store/types.ts'
import { REPOSITORY } from '../../house/tools.ts'
import type { MakeStore } from '../stores.ts'
import { bundleForWorkerd } from './workerd.ts'

const WORKER = join(REPOSITORY, 'test/support/workerd/store-worker.ts')

const LINE_FEED = 10

/** The simulator syncs every write; in memory that costs nothing. */
const PARENT = existsSync('/dev/shm') ? '/dev/shm' : tmpdir()

/** One store call on its way into workerd; the bytes of a put are the request's body. */
export type R2Call =
  | { readonly call: 'get'; readonly key: string; readonly bytes_max?: number | undefined }
  | { readonly call: 'head' | 'delete'; readonly key: string }
  | {
      readonly call: 'put'
      readonly key: string
      readonly precondition: Precondition
      readonly meta?: Meta | undefined
    }
  | { readonly call: 'listPage'; readonly request: ListRequest }

/** What came of it; the bytes of a get follow. */
export type R2Reply =
  | { readonly result: object }
  | { readonly thrown: { readonly code: StoreErrorCode; readonly key: string; readonly message: string } }

/** A worker with an empty R2 bucket, and the store that it offers. */
export interface R2InWorkerd {
  readonly store: MaintenanceStore
  stop(): Promise<void>
}

/** Start one. */
export async function startR2InWorkerd(): Promise<R2InWorkerd> {
  const folder = mkdtempSync(join(PARENT, 'tidemark-r2-'))
  const miniflare = new Miniflare({
    modules: [{ type: 'ESModule', path: 'worker.js', contents: await bundleForWorkerd(WORKER) }],
    compatibilityDate: '2026-07-01',
    host: '127.0.0.1',
    port: 0,
    r2Buckets: ['BUCKET'],
    r2Persist: folder,
  })
  await miniflare.ready
  return {
    store: remoteStore(async (call, body) => {
      const response = await miniflare.dispatchFetch('http://tidemark.test/', {
        method: 'POST',
        headers: { call: encodeURIComponent(JSON.stringify(call)) },
        ...(body === undefined ? {} : { body }),
      })
      const bytes = new Uint8Array(await response.arrayBuffer())
      const end = bytes.indexOf(LINE_FEED)
      const line = new TextDecoder().decode(end < 0 ? bytes : bytes.subarray(0, end))
      if (response.status !== 200) throw new Error(`the worker failed: ${line}`)
      return { reply: JSON.parse(line), bytes: bytes.subarray(end + 1) }
    }),
    async stop() {
      await miniflare.dispose()
      rmSync(folder, { recursive: true, force: true })
    },
  }
}

/** Call it in a `describe`. Every store is a folder of its own in one bucket. */
export function useR2InWorkerd(): MakeStore {
  let r2: R2InWorkerd
  let stores = 0
  beforeAll(async () => {
    r2 = await startR2InWorkerd()
  })
  afterAll(async () => r2.stop())
  return () => ({
    store: scopedMaintenanceStore(r2.store, { tenant: 'test', workspace: String(stores++) }),
    close: () => undefined,
  })
}

type Send = (
  call: R2Call,
  body?: Uint8Array,
) => Promise<{ readonly reply: R2Reply; readonly bytes: Uint8Array }>

function remoteStore(send: Send): MaintenanceStore {
  /** The result of a call, as the driver gave it in workerd; its errors are thrown here. */
  async function ask<T extends object>(
    key: string,
    signal: AbortSignal | undefined,
    call: R2Call,
  ): Promise<{ readonly result: T; readonly bytes: Uint8Array }> {
    const sent = await unlessAborted(signal, send(call))
    if (sent === ABORTED) throw new StoreError('unavailable', key, 'the call was aborted')
    return { result: resultOf<T>(sent.reply), bytes: sent.bytes }
  }

  return {
    capabilities: { driver: 'r2', meta: true, conditional_delete: false },
    async get(key, { signal, bytes_max } = {}) {
      const { result, bytes } = await ask<Awaited<ReturnType<MaintenanceStore['get']>>>(key, signal, {
        call: 'get',
        key,
        bytes_max,
      })
      return result.outcome === 'ok' ? { ...result, bytes } : result
    },
    head: async (key, { signal } = {}) =>
      (await ask<Awaited<ReturnType<MaintenanceStore['head']>>>(key, signal, { call: 'head', key })).result,
    async put(key, bytes, precondition, { signal, meta } = {}) {
      const sent = await unlessAborted(signal, send({ call: 'put', key, precondition, meta }, bytes))
      return sent === ABORTED ? { outcome: 'unknown' } : resultOf(sent.reply)
    },
    delete: async (key, { signal } = {}) =>
      (await ask<Awaited<ReturnType<MaintenanceStore['delete']>>>(key, signal, { call: 'delete', key }))
        .result,
    listPage: async (request, { signal } = {}) =>
      (
        await ask<Awaited<ReturnType<MaintenanceStore['listPage']>>>(request.prefix, signal, {
          call: 'listPage',
          request,
        })
      ).result,
  }
}

function resultOf<T extends object>(reply: R2Reply): T {
  if ('result' in reply) return reply.result as T
  const { code, key, message } = reply.thrown
  throw new StoreError(code, key, message)
}
