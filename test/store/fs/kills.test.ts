/** The folder store and processes that are killed for real (storage.md 5.5, providers.md F-1, F-2; F4 of correctness.md 3). */
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { fsStore } from '../../../lib/store/fs.ts'
import type { MaintenanceStore, Token } from '../../../lib/store/types.ts'
import { createText, readObject, readText, replaceText, textOf } from '../../support/objects.ts'
import { folderStore } from '../../support/stores.ts'
import { parseGeneration } from './generation.ts'
import { startProgram } from './process.ts'

let made: ReturnType<typeof folderStore>

beforeEach(() => {
  made = folderStore()
})

afterEach(() => made.close())

describe('a process that is killed between two changes to the file system, any two', () => {
  const OPERATIONS = [
    { operation: 'create', key: 'table/new/log/0', before: null, after: 'new' },
    { operation: 'replace', key: 'table/state', before: 'old', after: 'new' },
    { operation: 'delete', key: 'table/state', before: 'old', after: null },
  ] as const

  test.each(OPERATIONS)('leaves the old object or the new one: $operation', async (each) => {
    const { operation, key, before, after } = each
    await createText(made.store, 'table/state', 'old')
    const survivor = startProgram('crasher.ts', [made.folder, operation])
    expect(await survivor.ended).toBe(0)
    expect(await textAt(made.store, key)).toBe(after)
    expect(survivor.lines.length).toBeGreaterThan(3)

    const numbers = survivor.lines.map((_, i) => i + 1)
    const found: (string | null)[] = []
    const lane = async (mine: readonly number[]): Promise<void> => {
      for (const number of mine) found.push(await killAt(operation, key, number))
    }
    // Two at a time; more would only wait for each other.
    await Promise.all([lane(numbers.filter((n) => n % 2 === 0)), lane(numbers.filter((n) => n % 2 === 1))])
    expect(found).toHaveLength(numbers.length)
    expect(new Set(found)).toEqual(new Set([before, after]))
  })
})

/** Kill an operation before its change of that number, then do what the next process does; what it finds. */
async function killAt(operation: string, key: string, number: number): Promise<string | null> {
  const { folder, store, close } = folderStore()
  try {
    const old = await createText(store, 'table/state', 'old')
    const victim = startProgram('crasher.ts', [folder, operation, String(number)])
    expect(await victim.ended).toBe('SIGKILL')

    const next = fsStore(folder)
    const text = await textAt(next, key)
    if (text === null) await createText(next, key, 'next')
    else await replaceText(next, key, 'next', text === 'old' ? old : await ownToken(next, key))
    expect(await readText(next, key)).toBe('next')
    const { objects } = await next.listPage({ prefix: '', limit: 10 })
    const others = key === 'table/state' ? [] : ['table/state']
    expect(objects.map((object) => object.key)).toEqual([key, ...others].toSorted())
    return text
  } finally {
    close()
  }
}

/** The token of an object that was put, not derived: no generation is visible without its sidecar. */
async function ownToken(store: MaintenanceStore, key: string): Promise<Token> {
  const { token } = await readObject(store, key)
  expect(token).not.toMatch(DERIVED)
  return token
}

const DERIVED = /^fs-/

async function textAt(store: MaintenanceStore, key: string): Promise<string | null> {
  const object = await store.get(key)
  return object.outcome === 'ok' ? textOf(object.bytes) : null
}

/** One acknowledged put of a `churner.ts`, or what is found afterwards. */
interface Put {
  readonly key: string
  readonly number: number
  readonly token: Token
}

test('processes killed at random lose no acknowledged put, tear none and keep nobody from the next', async () => {
  const { acknowledged, kills } = await churn(6_000)
  expect(kills).toBeGreaterThan(5)
  expect(acknowledged.length).toBeGreaterThan(kills)

  // Two puts that replaced one generation would have been acknowledged under one number.
  const names = acknowledged.map(({ key, number }) => `${key} ${number}`)
  expect(names.filter((name, i) => names.indexOf(name) !== i)).toEqual([])

  const next = fsStore(made.folder)
  const found = await readAll(next)
  const lost = acknowledged.filter(({ key, number, token }) => {
    const now = found.get(key)
    return now === undefined || now.number < number || (now.number === number && now.token !== token)
  })
  expect(lost).toEqual([])
  expect([...found.values()].filter(({ token }) => DERIVED.test(token))).toEqual([])

  // Nothing is left that a writer would have to wait for.
  const started_ms = performance.now()
  for (const key of ['state/0', 'state/1', 'state/2']) {
    await replaceText(next, key, 'after', await ownToken(next, key))
  }
  expect(performance.now() - started_ms).toBeLessThan(2_000)
})

/** Keeps three processes writing and kills each after a moment, for so long. */
async function churn(
  for_ms: number,
): Promise<{ readonly acknowledged: readonly Put[]; readonly kills: number }> {
  const ends_ms = performance.now() + for_ms
  const acknowledged: Put[] = []
  let kills = 0
  const slot = async (): Promise<void> => {
    while (performance.now() < ends_ms) {
      const victim = startProgram('churner.ts', [made.folder])
      await victim.started
      // The moment is the point of the test; nothing waits for it.
      await new Promise((resolve) => setTimeout(resolve, Math.random() * 80))
      victim.kill()
      expect(await victim.ended).toBe('SIGKILL')
      kills += 1
      for (const line of victim.lines) acknowledged.push(JSON.parse(line))
    }
  }
  await Promise.all([slot(), slot(), slot()])
  return { acknowledged, kills }
}

/** Everything in the folder; `parseGeneration` throws at bytes that no single writer wrote. */
async function readAll(store: MaintenanceStore): Promise<Map<string, Put>> {
  const found = new Map<string, Put>()
  for (let start_after = ''; ;) {
    const page = await store.listPage({ prefix: '', limit: 1000, start_after })
    for (const { key } of page.objects) {
      const { bytes, token } = await readObject(store, key)
      found.set(key, { key, number: parseGeneration(bytes).number, token })
    }
    if (page.next_start_after === undefined) return found
    start_after = page.next_start_after
  }
}
