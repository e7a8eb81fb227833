/** Idempotency keys of somebody else: what a principal can do with a key that another one has used (correctness.md S23). */
import { beforeEach, describe, expect, test } from 'vitest'
import { memoryStore, type MemoryStore } from '../../lib/store/memory.ts'
import { deployment, PRIVATE, userOf, type Deployment } from '../support/deployment.ts'
import { expectProblem } from '../support/problems.ts'
import { freshId, freshPayload, type Answer, type CommitCall } from '../support/service.ts'
import { readBucket } from '../support/stores.ts'
import { SECRET, signed, USER_CLAIMS } from '../support/tokens.ts'

let store: MemoryStore
let service: Deployment
let token: string
let committed: CommitCall
let answer: Answer

async function stage(table_id: string, by: string): Promise<{ staged_path: string; staged_version: string }> {
  const path = `/api/v1/delta/tables/${table_id}/commits/stage`
  return (await service.ask('POST', path, { token: by, body: { payload: freshPayload() } })).body
}

async function commit({ table_id, ...body }: CommitCall, by: string): Promise<Answer> {
  return service.ask('POST', `/api/v1/delta/tables/${table_id}/commits`, { token: by, body })
}

beforeEach(async () => {
  store = memoryStore()
  service = await deployment(PRIVATE, store)
  token = await userOf('acme')
  const table_id = freshId()
  committed = { table_id, read_version: -1, idempotency_key: freshId(), ...(await stage(table_id, token)) }
  answer = await commit(committed, token)
  if (answer.status !== 200) throw new Error(JSON.stringify(answer.body))
})

/** What the scope that owns the key has. */
async function ofAcme(): Promise<Record<string, string>> {
  const all = Object.entries(await readBucket(store))
  return Object.fromEntries(all.filter(([key]) => key.startsWith('tenant=acme/workspace=analytics/')))
}

describe('a key of another workspace, S23', () => {
  test.each([
    { who: 'another tenant', tenant: 'rival', workspace: 'analytics' },
    { who: 'another workspace of the tenant', tenant: 'acme', workspace: 'finance' },
  ])('$who that replays the whole request is told nothing of it', async ({ tenant, workspace }) => {
    const before = await ofAcme()
    const seen = await commit(committed, await userOf(tenant, workspace))
    expectProblem(seen, { reason: 'staged_not_found' })
    expect(JSON.stringify(seen.body)).not.toContain('delta_log')
    expect(await ofAcme()).toEqual(before)
  })

  test('one who commits under it takes it from nobody', async () => {
    const before = await ofAcme()
    const rival = await userOf('rival')
    const own = { ...committed, ...(await stage(committed.table_id, rival)) }
    expect(await commit(own, rival)).toMatchObject({ status: 200, body: { version: 0 } })
    expect(await ofAcme()).toEqual(before)
    expect((await commit(committed, token)).body).toEqual(answer.body)
  })
})

describe('a key of the same workspace, S23', () => {
  let colleague: string
  beforeEach(async () => {
    colleague = await signed({ ...USER_CLAIMS, sub: 'grace' }, SECRET)
  })

  test('a colleague who replays the whole request gets its answer: a recovery needs no particular person', async () => {
    const before = await ofAcme()
    expect(await commit(committed, colleague)).toMatchObject({ status: 200, body: answer.body })
    expect(await ofAcme()).toEqual(before)
  })

  test('a colleague who sends another body under it is refused, and the commit stays as it is', async () => {
    const other = { ...committed, ...(await stage(committed.table_id, colleague)) }
    const before = await ofAcme()
    expectProblem(await commit(other, colleague), { reason: 'key_reuse' })
    expect(await ofAcme()).toEqual(before)
  })
})
