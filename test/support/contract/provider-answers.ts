/** Rows of the store contract: what answers of a real service mean (PV-09…PV-14). */
import { expect } from 'vitest'
import { bytesOf, createText, readObject, readText } from '../objects.ts'
import { AMBIGUOUS_PUTS } from './ambiguous-puts.ts'
import { ABSENT, REFUSED, type ContractContext, type ContractRow, type ReadFault } from './row.ts'

const RACERS = 8

/** One request each, and exactly the outcome of providers.md 1. */
export const ANSWERS: readonly ContractRow[] = [
  {
    id: 'PV-09',
    promise: 'a create race whose losers are told of a conflict has exactly one ok; the others are no_effect',
    async run(context) {
      const service = context.needService()
      const { store, key, needWire } = context
      service.conflictForLosers()
      const writes = needWire().writes()
      const results = await Promise.all(
        Array.from({ length: RACERS }, async (_, i) =>
          store.put(key('a'), bytesOf(`writer ${i}`), 'doesNotExist'),
        ),
      )
      const winners = results.flatMap(({ outcome }, i) => (outcome === 'ok' ? [`writer ${i}`] : []))
      expect(winners).toEqual([await readText(store, key('a'))])
      expect(results.filter(({ outcome }) => outcome === 'no_effect')).toHaveLength(RACERS - 1)
      expect(needWire().writes() - writes).toBe(RACERS)
    },
  },
  {
    id: 'PV-10',
    promise: 'ten throttled puts are ten times no_effect with a time to wait, each after one request',
    async run({ store, key, needWire }) {
      const wire = needWire()
      const token = await createText(store, key('a'), 'old')
      for (let i = 1; i <= 10; i++) {
        const writes = wire.writes()
        wire.breakNextWrite('throttle')
        const put = await store.put(key('a'), bytesOf(`throttled ${i}`), { matchesVersion: token })
        expect(put).toEqual({ outcome: 'no_effect', retry_after_ms: expect.any(Number) })
        expect(wire.writes() - writes).toBe(1)
      }
      expect(await readObject(store, key('a'))).toMatchObject({ bytes: bytesOf('old'), token })
    },
  },
  ...AMBIGUOUS_PUTS.filter(({ id }) => id === 'ST-34').map(({ promise, run }) => ({
    id: 'PV-11',
    promise,
    run,
  })),
  {
    id: 'PV-12',
    promise: 'a success that names no generation is unknown, and nothing is asked to fill it in',
    async run(context) {
      const { store, key, needWire } = context
      needWire().breakNextWrite('no_token')
      expect(await store.put(key('a'), bytesOf('one'), 'doesNotExist')).toEqual({ outcome: 'unknown' })
      const { token } = await readObject(store, key('a'))
      needWire().breakNextWrite('no_token')
      const put = await store.put(key('a'), bytesOf('two'), { matchesVersion: token })
      expect(put).toEqual({ outcome: 'unknown' })
      expect(await readText(store, key('a'))).toBe('two')
    },
  },
  {
    id: 'PV-12',
    promise: 'an object that comes without its generation is not returned',
    run: async (context) => expectReadFailure(context, 'no_token', ['corrupt'], ['get']),
  },
  {
    id: 'PV-13',
    promise: 'a 403 on a key that may be missing is denied, not absent',
    run: async (context) => expectReadFailure(context, 'forbidden', ['denied'], ['get', 'head']),
  },
  {
    id: 'PV-14',
    promise: 'a put into a bucket that is not there is thrown; of an object that is not there, refused',
    async run({ store, key, needWire }) {
      const token = await createText(store, key('a'), 'old')
      const puts = ['doesNotExist', { matchesVersion: token }] as const
      for (const precondition of puts) {
        needWire().breakNextWrite('no_such_bucket')
        await expect(store.put(key('a'), bytesOf('new'), precondition)).rejects.toMatchObject({
          name: 'StoreError',
          code: 'misconfigured',
        })
      }
      needWire().breakNextWrite('no_such_key')
      expect(await store.put(key('a'), bytesOf('new'), { matchesVersion: token })).toEqual(REFUSED)
      needWire().breakNextWrite('no_such_key')
      expect(await store.put(key('b'), bytesOf('new'), 'doesNotExist')).toEqual({ outcome: 'unknown' })
      expect(await readText(store, key('a'))).toBe('old')
      expect(await store.get(key('b'))).toEqual(ABSENT)
    },
  },
  {
    id: 'PV-14',
    promise: 'a read from a bucket that is not there is thrown, not absent',
    run: async (context) => expectReadFailure(context, 'no_such_bucket', ['misconfigured'], ['get']),
  },
  {
    id: 'PV-14',
    promise: 'a 404 that does not come from the store says nothing about an object',
    run: async (context) => expectReadFailure(context, 'foreign_404', ['unavailable'], ['get']),
  },
  {
    id: 'PV-12',
    promise: 'a body that ends before its length is not an object',
    run: async (context) => expectReadFailure(context, 'truncated', ['corrupt', 'unavailable'], ['get']),
  },
]

/** Straight at the driver: repeating a read is the business of the limits in front of it. */
async function expectReadFailure(
  context: ContractContext,
  fault: ReadFault,
  codes: readonly string[],
  calls: readonly ('get' | 'head')[],
): Promise<void> {
  const { store, key } = context
  const { driver, breakNextRead } = context.needService()
  await createText(store, key('a'), 'one '.repeat(100))
  for (const call of calls) {
    breakNextRead(fault)
    const failure = await driver[call](key('a')).then(
      (found) => found,
      (error: unknown) => error,
    )
    expect(failure).toMatchObject({ name: 'StoreError', code: expect.stringMatching(codes.join('|')) })
    // It was this one request.
    expect(await driver[call](key('a'))).toMatchObject({ outcome: 'ok' })
  }
}
