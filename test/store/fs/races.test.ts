/** The folder store between processes that race (storage.md 5.5, providers.md F-1, F-2). */
import { afterEach, beforeEach, expect, test } from 'vitest'
import { createText, readObject, readText, textOf } from '../../support/objects.ts'
import { folderStore } from '../../support/stores.ts'
import { startProgram } from './process.ts'

let made: ReturnType<typeof folderStore>

beforeEach(() => {
  made = folderStore()
})

afterEach(() => made.close())

/** Three processes that begin at the same moment; what they said after `ready`. */
async function race(kind: string, count: number): Promise<string[]> {
  const racers = [1, 2, 3].map(() => startProgram('racer.ts', [made.folder, kind, String(count)]))
  await Promise.all(racers.map(async ({ started }) => started))
  for (const racer of racers) racer.go()
  expect(await Promise.all(racers.map(async ({ ended }) => ended))).toEqual([0, 0, 0])
  return racers.flatMap(({ lines }) => lines.slice(1))
}

test('ST-13: of 36 creates of one object by three processes exactly one is ok', async () => {
  const results = (await race('create', 48)).map((line) => JSON.parse(line))
  expect(results).toHaveLength(3 * 48)
  for (const key of ['race/0', 'race/1', 'race/2', 'race/3']) {
    const attempts = results.filter((each) => each.key === key)
    const winners = attempts.filter(({ outcome }) => outcome === 'ok')
    const { bytes, token } = await readObject(made.store, key)
    expect(winners).toEqual([{ key, text: textOf(bytes), outcome: 'ok', token }])
    expect(attempts.filter(({ outcome }) => outcome === 'precondition_failed')).toHaveLength(35)
  }
})

test('ST-15: increments by three processes come to their sum', async () => {
  await createText(made.store, 'counter', '0')
  await race('increment', 40)
  expect(await readText(made.store, 'counter')).toBe('120')
})
