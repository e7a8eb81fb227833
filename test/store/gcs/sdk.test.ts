/** What only the driver over Google's SDK can get wrong. */
import { expect, onTestFinished, test } from 'vitest'
import { gcsStore } from '../../../lib/store/gcs.ts'
import { startGcsFake } from '../../support/servers/gcs-fake.ts'

test('a read of a large object, or of none, makes Node warn of nothing', async () => {
  const server = await startGcsFake()
  onTestFinished(server.stop)
  const warnings: string[] = []
  const warned = ({ message }: Error): void => void warnings.push(message)
  process.on('warning', warned)
  onTestFinished(() => void process.off('warning', warned))

  const store = gcsStore({ bucket: server.bucket, endpoint: server.endpoint })
  await store.put('large', new Uint8Array(1024 * 1024), 'doesNotExist')
  expect(await store.get('large')).toMatchObject({ outcome: 'ok' })
  expect(await store.get('missing')).toEqual({ outcome: 'not_found' })
  // Node warns on the next tick.
  await new Promise((later) => setImmediate(later))
  expect(warnings).toEqual([])
})
