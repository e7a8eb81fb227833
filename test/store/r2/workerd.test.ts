/** The R2 driver over a real binding, inside workerd: the rows run there, each is a test here. */
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { startWorker, type Worker } from '../../support/servers/workerd.ts'
import { columnName, STORE_COLUMNS } from '../../support/store-columns.ts'
import { CONTRACT_ROWS, contractTests } from '../../support/store-contract.ts'
import type { RowResult } from '../../support/workerd/contract-worker.ts'

const ENTRY = fileURLToPath(new URL('../../support/workerd/contract-worker.ts', import.meta.url))
let worker: Worker

beforeAll(async () => {
  worker = await startWorker(ENTRY, { with_node: true })
}, 60_000)

afterAll(async () => worker.stop())

test('the worker has the rows that are run here', async () => {
  expect(await worker.json('/rows')).toEqual(CONTRACT_ROWS.map(({ id, promise }) => ({ id, promise })))
})

contractTests(columnName('r2'), STORE_COLUMNS.r2, async (_row, index) => {
  const { failure } = await worker.json<RowResult>(`/run/${index}`)
  if (failure !== null) throw new Error(`in workerd: ${failure}`)
})
