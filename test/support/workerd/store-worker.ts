/** A worker that hands the store over its R2 binding to a test outside of workerd: one request, one store call. */
import { r2Store, type R2BucketBinding } from '../../../lib/store/r2.ts'
import { StoreError, type MaintenanceStore } from '../../../lib/store/types.ts'
import type { R2Call, R2Reply } from '../servers/r2-in-workerd.ts'

/** The module that workerd runs. A reply is one line of JSON, then the object's bytes. */
export default {
  async fetch(request: Request, { BUCKET }: { readonly BUCKET: R2BucketBinding }): Promise<Response> {
    const call: R2Call = JSON.parse(decodeURIComponent(request.headers.get('call') ?? ''))
    const body = new Uint8Array(await request.arrayBuffer())
    try {
      return await answer(r2Store(BUCKET), call, body)
    } catch (error) {
      if (!(error instanceof StoreError)) throw error
      const { code, key, message } = error
      return reply({ thrown: { code, key, message } })
    }
  },
}

async function answer(store: MaintenanceStore, call: R2Call, body: Uint8Array): Promise<Response> {
  switch (call.call) {
    case 'get': {
      const { bytes_max } = call
      const got = await store.get(call.key, bytes_max === undefined ? {} : { bytes_max })
      if (got.outcome !== 'ok') return reply({ result: got })
      const { bytes, ...result } = got
      return reply({ result }, bytes)
    }
    case 'head':
      return reply({ result: await store.head(call.key) })
    case 'put': {
      const { key, precondition, meta } = call
      return reply({ result: await store.put(key, body, precondition, meta === undefined ? {} : { meta }) })
    }
    case 'delete':
      return reply({ result: await store.delete(call.key) })
    case 'listPage':
      return reply({ result: await store.listPage(call.request) })
  }
}

function reply(value: R2Reply, bytes: Uint8Array = new Uint8Array()): Response {
  return new Response(new Blob([JSON.stringify(value), '\n', bytes.slice()]))
}
