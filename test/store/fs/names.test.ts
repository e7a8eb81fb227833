/** Which files of a folder are objects, and what happens to keys that a folder cannot hold. */
import { execFileSync } from 'node:child_process'
import { mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { fsStore } from '../../../lib/store/fs.ts'
import type { MaintenanceStore } from '../../../lib/store/types.ts'
import { bytesOf, createText, readText } from '../../support/objects.ts'
import { folderStore } from '../../support/stores.ts'

let made: ReturnType<typeof folderStore>
let store: MaintenanceStore

beforeEach(() => {
  made = folderStore()
  store = made.store
})

afterEach(() => made.close())

const ABSENT = { outcome: 'not_found' }

function inFolder(...names: readonly string[]): string {
  return join(made.folder, ...names)
}

async function listedKeys(prefix = ''): Promise<string[]> {
  return (await store.listPage({ prefix, limit: 100 })).objects.map(({ key }) => key)
}

describe('a key that passes through another object', () => {
  test('is not there, and a put to it says that a folder cannot hold it', async () => {
    const token = await createText(store, 'a', 'an object')
    expect(await store.get('a/b')).toEqual(ABSENT)
    expect(await store.head('a/b/c')).toEqual(ABSENT)
    expect(await store.delete('a/b')).toEqual({ outcome: 'ok' })
    for (const precondition of ['doesNotExist', 'none'] as const) {
      const put = store.put('a/b', bytesOf('x'), precondition)
      await expect(put).rejects.toMatchObject({ name: 'StoreError', code: 'unsupported', key: 'a/b' })
    }
    const replaced = await store.put('a/b', bytesOf('x'), { matchesVersion: token })
    expect(replaced).toEqual({ outcome: 'precondition_failed' })
    expect(await readText(store, 'a')).toBe('an object')
  })
})

describe('the name of a folder', () => {
  test('is no object, and a put to it says that a folder cannot hold it', async () => {
    await createText(store, 'a/b', 'an object')
    expect(await store.get('a')).toEqual(ABSENT)
    expect(await store.head('a')).toEqual(ABSENT)
    expect(await store.delete('a')).toEqual({ outcome: 'ok' })
    for (const precondition of ['doesNotExist', 'none'] as const) {
      const put = store.put('a', bytesOf('x'), precondition)
      await expect(put).rejects.toMatchObject({ name: 'StoreError', code: 'unsupported', key: 'a' })
    }
    expect(await store.put('a', bytesOf('x'), { matchesVersion: '1' })).toEqual({
      outcome: 'precondition_failed',
    })
    expect(await listedKeys()).toEqual(['a/b'])
  })
})

describe('a part of a key that is longer than a file name can be', () => {
  const key = `a/${'x'.repeat(256)}`

  test('is not there, and a put to it says that a folder cannot hold it', async () => {
    expect(await store.get(key)).toEqual(ABSENT)
    expect(await store.delete(key)).toEqual({ outcome: 'ok' })
    const put = store.put(key, bytesOf('x'), 'doesNotExist')
    await expect(put).rejects.toMatchObject({ code: 'unsupported' })
  })
})

describe("the store's own files", () => {
  const OWN = ['.arco-meta', '.arco-meta/mutex.db', '.arco-meta/tokens/x', '.ARCO-META/x', '.Arco-Meta']

  test.each(OWN)('%s is no key, in whatever case it is spelled', async (key) => {
    const refused = { code: 'invalid_key' }
    await expect(store.get(key)).rejects.toMatchObject(refused)
    await expect(store.head(key)).rejects.toMatchObject(refused)
    await expect(store.put(key, bytesOf('x'), 'doesNotExist')).rejects.toMatchObject(refused)
    await expect(store.delete(key)).rejects.toMatchObject(refused)
  })

  test('are not listed, and a name that only begins like theirs is an object', async () => {
    await createText(store, '.arco-metadata', 'mine')
    await createText(store, 'a/.arco-meta', 'mine')
    expect(await listedKeys()).toEqual(['.arco-metadata', 'a/.arco-meta'])
    expect(await listedKeys('.arco-meta')).toEqual([])
    expect(await listedKeys('.arco-meta/')).toEqual([])
  })
})

describe('a symbolic link', () => {
  test.each([
    { where: 'as the object', key: 'link' },
    { where: 'on the way', key: 'way/secret' },
    { where: 'to nothing', key: 'dangling' },
  ])('$where is not followed', async ({ key }) => {
    const outside = folderStore()
    try {
      writeFileSync(join(outside.folder, 'secret'), 'secret')
      symlinkSync(join(outside.folder, 'secret'), inFolder('link'))
      symlinkSync(outside.folder, inFolder('way'))
      symlinkSync(inFolder('nothing'), inFolder('dangling'))
      const denied = { name: 'StoreError', code: 'denied' }
      await expect(store.get(key)).rejects.toMatchObject(denied)
      await expect(store.head(key)).rejects.toMatchObject(denied)
      await expect(store.delete(key)).rejects.toMatchObject(denied)
      for (const precondition of ['doesNotExist', 'none', { matchesVersion: '1' }] as const) {
        await expect(store.put(key, bytesOf('x'), precondition)).rejects.toMatchObject(denied)
      }
      expect(readFileSync(join(outside.folder, 'secret'), 'utf8')).toBe('secret')
      expect(await listedKeys()).toEqual([])
      expect(await listedKeys('way')).toEqual([])
      expect(await listedKeys('way/')).toEqual([])
    } finally {
      outside.close()
    }
  })
})

describe('what is neither file nor folder', () => {
  test('a pipe is refused and does not hold the reader', async () => {
    execFileSync('mkfifo', [inFolder('pipe')])
    await expect(store.get('pipe')).rejects.toMatchObject({ code: 'denied' })
    await expect(store.head('pipe')).rejects.toMatchObject({ code: 'denied' })
    expect(await listedKeys()).toEqual([])
  })

  test('a file whose name cannot be a key is not listed', async () => {
    for (const name of ['backup~', '100%', 'caf\u00E9', 'a#b']) writeFileSync(inFolder(name), 'x')
    mkdirSync(inFolder('odd[1]'))
    writeFileSync(inFolder('odd[1]', 'x'), 'x')
    writeFileSync(inFolder('.DS_Store'), 'x')
    expect(await listedKeys()).toEqual(['.DS_Store'])
  })
})

test('too_large: a larger object than asked for is refused before it is read', async () => {
  await createText(store, 'a', '12345')
  await expect(store.get('a', { bytes_max: 4 })).rejects.toMatchObject({ code: 'too_large' })
  expect(await store.get('a', { bytes_max: 5 })).toMatchObject({ outcome: 'ok' })
})

describe('a folder that cannot be opened', () => {
  test('is misconfigured for every operation, with the cause', async () => {
    writeFileSync(inFolder('file'), 'not a folder')
    const closed = fsStore(inFolder('file', 'lake'))
    const refused = { name: 'StoreError', code: 'misconfigured' }
    await expect(closed.get('a')).rejects.toMatchObject(refused)
    await expect(closed.put('a', bytesOf('x'), 'doesNotExist')).rejects.toMatchObject(refused)
    await expect(closed.listPage({ prefix: '', limit: 1 })).rejects.toMatchObject(refused)
    const failure: unknown = await closed.head('a').catch((error: unknown) => error)
    expect(failure).toHaveProperty('cause.code', 'ENOTDIR')
  })
})
