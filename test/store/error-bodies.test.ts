/** Error bodies of a service, or of whatever stands in front of it, as the fetch drivers read them (providers.md Q-8). */
import { describe, expect, test } from 'vitest'
import { gcsFetchStore } from '../../lib/store/gcs-fetch.ts'
import { s3FetchStore } from '../../lib/store/s3-fetch.ts'
import type { MaintenanceStore } from '../../lib/store/types.ts'
import { bytesOf } from '../support/objects.ts'

const KEYS = { access_key_id: 'a', secret_access_key: 'b' }

const DRIVERS: readonly { readonly name: string; open(answer: typeof fetch): MaintenanceStore }[] = [
  {
    name: 's3-fetch.ts',
    open: (answer) =>
      s3FetchStore({
        bucket: 'lake',
        endpoint: 'http://s3.test',
        region: 'auto',
        credentials: async () => KEYS,
        fetch: answer,
      }),
  },
  {
    name: 'gcs-fetch.ts',
    open: (answer) => gcsFetchStore({ bucket: 'lake', token: async () => null, fetch: answer }),
  },
]

describe.each(DRIVERS)('$name', ({ open }) => {
  test('an error body without an end is read to 8 KiB and no further', async () => {
    let sent = 0
    let is_cancelled = false
    const endless = (): ReadableStream<Uint8Array> =>
      new ReadableStream(
        {
          pull(controller) {
            sent += 1024
            controller.enqueue(new Uint8Array(1024).fill(0x20))
          },
          cancel() {
            is_cancelled = true
          },
        },
        { highWaterMark: 0 },
      )
    const store = open(async () => new Response(endless(), { status: 500 }))
    expect(await store.put('a', bytesOf('one'), 'doesNotExist')).toEqual({ outcome: 'unknown' })
    expect(sent).toBeLessThanOrEqual(9 * 1024)
    expect(is_cancelled).toBe(true)
  })

  test('one that is cut off says nothing: the put is unknown, the read unavailable', async () => {
    const cut = (): ReadableStream<Uint8Array> =>
      new ReadableStream({ pull: (controller) => controller.error(new Error('reset')) })
    const store = open(async () => new Response(cut(), { status: 412 }))
    expect(await store.put('a', bytesOf('one'), 'doesNotExist')).toEqual({ outcome: 'unknown' })
    await expect(store.get('a')).rejects.toMatchObject({ code: 'unavailable' })
  })
})
