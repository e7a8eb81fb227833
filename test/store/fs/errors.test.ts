/** What a failed system call of a put means (spec/storage.md 6.1 and 8): never `unavailable`, which is for reads. */
import { describe, expect, test } from 'vitest'
import { classified, classifiedPut } from '../../../lib/store/fs/errors.ts'
import { StoreError } from '../../../lib/store/types.ts'

/** A system call that failed before anything was stored. */
function failing(code: string): () => Promise<never> {
  return async () => Promise.reject(Object.assign(new Error(code), { code }))
}

describe('a put that stored nothing', () => {
  test.each(['ENOSPC', 'EDQUOT', 'EMFILE', 'ENFILE', 'EIO', 'EBUSY', 'EAGAIN', 'ETIMEDOUT'])(
    '%s is no_effect: somebody who has reserved must look again before he says anything',
    async (code) => {
      expect(await classifiedPut('k', failing(code))).toMatchObject({
        outcome: 'no_effect',
        cause: { name: 'StoreError', cause: { code } },
      })
    },
  )

  test.each([
    ['EACCES', 'denied'],
    ['EROFS', 'misconfigured'],
    ['ENAMETOOLONG', 'unsupported'],
  ])('%s is thrown as %s: repeating does not help', async (code, thrown) => {
    await expect(classifiedPut('k', failing(code))).rejects.toMatchObject({
      name: 'StoreError',
      code: thrown,
    })
  })

  test('a StoreError from within keeps its code, but for unavailable', async () => {
    const denied = async (): Promise<never> => Promise.reject(new StoreError('denied', 'k', 'no'))
    const silent = async (): Promise<never> => Promise.reject(new StoreError('unavailable', 'k', 'changing'))
    await expect(classifiedPut('k', denied)).rejects.toMatchObject({ code: 'denied' })
    expect(await classifiedPut('k', silent)).toMatchObject({ outcome: 'no_effect' })
  })
})

test('a read that fails is thrown as unavailable', async () => {
  await expect(classified('k', failing('EIO'))).rejects.toMatchObject({
    name: 'StoreError',
    code: 'unavailable',
  })
})
