/** Rows of the store contract: credentials that expire between signing and sending (PV-20). */
import { expect } from 'vitest'
import { bytesOf, readText } from '../objects.ts'
import { ABSENT, type ContractRow } from './row.ts'

/** A refusal of the credentials proves that nothing was applied, so that this one request may be sent again. */
export const EXPIRED_CREDENTIALS: readonly ContractRow[] = [
  {
    id: 'PV-20',
    promise: 'a put by expired credentials is sent once more by fresh ones, and applied once',
    async run(context) {
      const { key } = context
      const { driver, fetched, sent } = await context.needService().expired('first')
      expect(await driver.put(key('a'), bytesOf('one'), 'doesNotExist')).toMatchObject({ outcome: 'ok' })
      expect({ fetched: fetched(), sent: sent() }).toEqual({ fetched: 2, sent: 2 })
      // The fresh ones are kept.
      expect(await readText(driver, key('a'))).toBe('one')
      expect({ fetched: fetched(), sent: sent() }).toEqual({ fetched: 2, sent: 3 })
    },
  },
  {
    id: 'PV-20',
    promise: 'a read by expired credentials is sent once more by fresh ones',
    async run(context) {
      const { driver, fetched, sent } = await context.needService().expired('first')
      expect(await driver.get(context.key('a'))).toEqual(ABSENT)
      expect({ fetched: fetched(), sent: sent() }).toEqual({ fetched: 2, sent: 2 })
    },
  },
  {
    id: 'PV-20',
    promise: 'when fresh credentials are refused too, it is denied after two requests, and nothing is stored',
    async run(context) {
      const { store, key } = context
      const { driver, fetched, sent } = await context.needService().expired('all')
      const denied = { name: 'StoreError', code: 'denied' }
      await expect(driver.put(key('a'), bytesOf('one'), 'doesNotExist')).rejects.toMatchObject(denied)
      expect({ fetched: fetched(), sent: sent() }).toEqual({ fetched: 2, sent: 2 })
      expect(await store.get(key('a'))).toEqual(ABSENT)
      await expect(driver.get(key('a'))).rejects.toMatchObject(denied)
    },
  },
]
