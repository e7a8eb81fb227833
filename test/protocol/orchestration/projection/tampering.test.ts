/** Objects that others put in the way or replaced: orphans (correctness.md S38), and a ledger that was tampered with (S39). */
import { describe, expect, test } from 'vitest'
import { encodeEvent } from '../../../../lib/protocol/orchestration/events/encode.ts'
import {
  baseFolder,
  eventPath,
  manifestPath,
  POINTER_PATH,
} from '../../../../lib/protocol/orchestration/paths.ts'
import { StoreError } from '../../../../lib/store/types.ts'
import { eventAt, eventsAt } from '../../../support/projection-events.ts'
import { folded, isObjectCorrupt, projectionWorld } from '../../../support/projection-world.ts'

const idOf = (number: number): string => String(number).padStart(20, '0')

describe('orphans in the way of a publisher, S38', () => {
  test('manifests that nothing names, one after the other, cost their ids and nothing else', async () => {
    const world = projectionWorld()
    folded(await world.compact(world.append(eventsAt(0, 1))))
    const visible = Number(world.pointer().manifest_id)
    for (let ahead = 1; ahead <= 3; ahead++)
      world.write(manifestPath(idOf(visible + ahead)), '{"orphan":true}')
    const result = folded(await world.compact(world.append(eventsAt(1, 2))))
    expect(result.manifest_id).toBe(idOf(visible + 4))
    expect(world.pointer().manifest_id).toBe(idOf(visible + 4))
    expect((await world.rows())['runs']).toHaveLength(2)
    expect(world.text(manifestPath(idOf(visible + 1)))).toBe('{"orphan":true}')
  })

  test('artifacts that nothing names are never read', async () => {
    const world = projectionWorld()
    world.write(`${baseFolder('01JKTT0G00Z4N2V8R6W1X3Y5ZB')}/runs.000000000000.parquet`, 'no Parquet')
    folded(await world.compact(world.append(eventsAt(0, 2))))
    expect((await world.rows())['runs']).toHaveLength(2)
  })
})

describe('a ledger object that was replaced, S39', () => {
  const CASES = [
    {
      replaced: 'by the event of another path',
      bytes: encodeEvent(eventAt(5)),
      reason: 'event_path_invalid',
    },
    {
      replaced: 'by an event of another tenant',
      bytes: encodeEvent(eventAt(1, { tenant_id: 'rival' })),
      reason: 'event_out_of_scope',
    },
    { replaced: 'by something else', bytes: '{"event_id":"x"}', reason: 'event_invalid' },
    { replaced: 'by nothing', bytes: '', reason: 'event_invalid' },
  ] as const

  test.each(CASES)(
    '$replaced: $reason, named by its path, and nothing is published',
    async ({ bytes, reason }) => {
      const world = projectionWorld()
      const paths = world.append(eventsAt(0, 2))
      const path = eventPath(eventAt(1))
      world.write(path, bytes)
      for (const result of [await world.compact(paths), await world.rebuild(paths)]) {
        expect(result).toMatchObject({ ok: false, reason, path })
      }
      expect(world.text(POINTER_PATH)).toBeNull()
    },
  )

  test('whose bytes are not those that the store took: object_corrupt, and nothing is published', async () => {
    const damaged = eventPath(eventAt(1))
    const world = projectionWorld({
      wrap: (store) => ({
        ...store,
        get: async (path, options) => {
          if (path === damaged) throw new StoreError('corrupt', path, 'the digest does not fit the bytes')
          return store.get(path, options)
        },
      }),
    })
    const paths = world.append(eventsAt(0, 2))
    expect(await world.compact(paths)).toEqual(isObjectCorrupt('event'))
    expect(world.text(POINTER_PATH)).toBeNull()
  })
})
