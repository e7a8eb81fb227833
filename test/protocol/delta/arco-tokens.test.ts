import { describe, expect, test } from 'vitest'
import { fsStore } from '../../../lib/store/fs.ts'
import { memoryStore } from '../../../lib/store/memory.ts'
import { scopedStore } from '../../../lib/store/scoped.ts'
import { formatToken } from '../../../lib/store/tokens.ts'
import type { MaintenanceStore } from '../../../lib/store/types.ts'
import { isArcoToken } from '../../support/arco-documents.ts'
import { ArcoError, arcoWriter } from '../../support/arco-writer.ts'
import { freshId, freshPayload, testService } from '../../support/service.ts'
import { folderStore } from '../../support/stores.ts'

describe('storage.md 5.3 tokens in the reference spelling', () => {
  const tag = '"5d41402abc4b2a76b9719d911017c592"'

  test.each([
    [
      { e_tag: tag, version: '1739443200123456' },
      '{"e_tag":"\\"5d41402abc4b2a76b9719d911017c592\\"","version":"1739443200123456"}',
    ],
    [{ e_tag: tag, version: null }, '{"e_tag":"\\"5d41402abc4b2a76b9719d911017c592\\"","version":null}'],
    [{ e_tag: null, version: '7' }, '{"e_tag":null,"version":"7"}'],
  ])('%j', (parts, spelled) => {
    expect(formatToken(parts, 'reference')).toBe(spelled)
    expect(isArcoToken(spelled)).toBe(true)
  })

  test.each([
    '7',
    tag,
    '{"version":"7","e_tag":null}',
    '{ "e_tag":null,"version":"7"}',
    '{"e_tag":7,"version":null}',
  ])('%s is not spelled as Arco spells it', (token) => {
    expect(isArcoToken(token)).toBe(false)
  })

  /** Arco and Tidemark on one table, one after the other. */
  async function crossOver(store: MaintenanceStore): Promise<{
    readonly staged_version: string
    readonly stored_version: string
    readonly old_commits_new_stage: string | number
    readonly old_recovers_new_reservation: string | number
  }> {
    const service = testService(store)
    const table_id = freshId()
    const old = arcoWriter(scopedStore(store, service.scope), { table_id, root: `tables/${table_id}` })
    const now_ms = service.clock.now_ms
    const answer = async (call: () => Promise<{ readonly version: number }>): Promise<string | number> => {
      try {
        return (await call()).version
      } catch (error) {
        if (error instanceof ArcoError) return error.message
        throw error
      }
    }
    const first = {
      read_version: -1,
      idempotency_key: freshId(),
      ...(await service.stage(table_id, freshPayload())),
    }
    const old_commits_new_stage = await answer(async () => old.commit(first, now_ms))

    // A commit that dies after its reservation, on the same table or, when the first was refused, on the empty one.
    const read_version = typeof old_commits_new_stage === 'number' ? old_commits_new_stage : -1
    const second = {
      read_version,
      idempotency_key: freshId(),
      ...(await service.stage(table_id, freshPayload())),
    }
    const dying = testService({
      ...store,
      put: async (path, body, precondition, options) => {
        if (path.includes('/_delta_log/')) throw new Error('the process dies here')
        return store.put(path, body, precondition, options)
      },
    })
    expect((await dying.commit({ table_id, ...second })).status).toBe(500)
    const inspected = await service.inspect(table_id)
    const after_ttl_ms = now_ms + 300_001
    return {
      staged_version: first.staged_version,
      stored_version: inspected.body.inflight.staged_version,
      old_commits_new_stage,
      old_recovers_new_reservation: await answer(async () => old.commit(second, after_ttl_ms)),
    }
  }

  test('with token_format "reference" Arco commits what Tidemark staged and recovers what it reserved', async () => {
    const memory = await crossOver(memoryStore({ token_format: 'reference' }))
    expect([memory.old_commits_new_stage, memory.old_recovers_new_reservation]).toEqual([0, 1])
    expect([memory.staged_version, memory.stored_version].map(isArcoToken)).toEqual([true, true])
  })

  test('the same over a folder', async () => {
    const { folder, close } = folderStore()
    try {
      const over = await crossOver(fsStore(folder, { token_format: 'reference' }))
      expect([over.old_commits_new_stage, over.old_recovers_new_reservation]).toEqual([0, 1])
      expect([over.staged_version, over.stored_version].map(isArcoToken)).toEqual([true, true])
    } finally {
      close()
    }
  })

  test('with "plain" Arco takes every payload for another version: why the switch is needed beside it', async () => {
    const plain = await crossOver(memoryStore({ token_format: 'plain' }))
    expect(plain.old_commits_new_stage).toMatch(/^conflict: staged payload version mismatch for /)
    expect(plain.old_recovers_new_reservation).toMatch(/^conflict: staged payload version mismatch for /)
    expect([plain.staged_version, plain.stored_version].map(isArcoToken)).toEqual([false, false])
  })
})
