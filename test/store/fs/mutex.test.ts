/** The mutex of a folder store: bounded waiting, nothing left by the dead, nobody locking another file. */
import { rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { fsStore } from '../../../lib/store/fs.ts'
import { BUSY, openMutex } from '../../../lib/store/fs/mutex.ts'
import { bytesOf, createText, readText, replaceText } from '../../support/objects.ts'
import { folderStore } from '../../support/stores.ts'

let made: ReturnType<typeof folderStore>
let path: string

beforeEach(() => {
  made = folderStore()
  path = join(made.folder, 'mutex.db')
})

afterEach(() => made.close())

describe('a mutex', () => {
  test('runs one at a time, in the order in which they came', async () => {
    const mutex = openMutex(path, 1_000)
    const order: number[] = []
    await Promise.all([1, 2, 3].map(async (n) => mutex.hold(() => order.push(n))))
    expect(order).toEqual([1, 2, 3])
  })

  test('that somebody keeps is given up after the waiting time, and the event loop runs meanwhile', async () => {
    const mutex = openMutex(path, 60)
    const holder = new DatabaseSync(path)
    holder.exec('BEGIN IMMEDIATE')
    let turns = 0
    const counting = setInterval(() => (turns += 1), 1)
    const all = await Promise.all([1, 2, 3].map(async () => mutex.hold(() => 'inside')))
    clearInterval(counting)
    expect(all).toEqual([BUSY, BUSY, BUSY])
    expect(turns).toBeGreaterThan(3)
    holder.exec('ROLLBACK')
    expect(await mutex.hold(() => 'inside')).toBe('inside')
  })

  test('is taken as soon as its holder lets go', async () => {
    const mutex = openMutex(path, 10_000)
    const holder = new DatabaseSync(path)
    holder.exec('BEGIN IMMEDIATE')
    const waiting = mutex.hold(() => 'inside')
    holder.exec('ROLLBACK')
    expect(await waiting).toBe('inside')
  })

  test('is free again after work that throws', async () => {
    const mutex = openMutex(path, 50)
    const failing = mutex.hold(() => {
      throw new Error('inside')
    })
    await expect(failing).rejects.toThrow('inside')
    expect(await openMutex(path, 50).hold(() => 'next')).toBe('next')
    expect(await mutex.hold(() => 'same')).toBe('same')
  })

  test('whose file was removed lets nobody in: the next process would lock another one', async () => {
    const mutex = openMutex(path, 50)
    rmSync(path)
    await expect(mutex.hold(() => 'inside')).rejects.toMatchObject({ code: 'misconfigured' })
    writeFileSync(path, '')
    await expect(mutex.hold(() => 'inside')).rejects.toMatchObject({ code: 'misconfigured' })
  })
})

describe('a folder store', () => {
  test('says no_effect when another process keeps the mutex, and creates need none', async () => {
    const store = fsStore(made.folder, { mutex_wait_ms: 60 })
    const token = await createText(store, 'a', 'old')
    const holder = new DatabaseSync(join(made.folder, '.arco-meta/mutex.db'))
    holder.exec('BEGIN IMMEDIATE')
    const replacing = store.put('a', bytesOf('new'), { matchesVersion: token })
    await createText(store, 'b', 'created meanwhile')
    expect(await replacing).toEqual({ outcome: 'no_effect' })
    await expect(store.delete('a')).rejects.toMatchObject({ code: 'unavailable' })
    expect(await readText(store, 'a')).toBe('old')
    holder.exec('ROLLBACK')
    await replaceText(store, 'a', 'new', token)
  })

  test('whose own files were removed says so instead of writing', async () => {
    const token = await createText(made.store, 'a', 'old')
    rmSync(join(made.folder, '.arco-meta'), { recursive: true })
    const refused = { code: 'misconfigured' }
    await expect(made.store.put('b', bytesOf('x'), 'doesNotExist')).rejects.toMatchObject(refused)
    const { token: derived } = await made.store
      .get('a')
      .then((object) => (object.outcome === 'ok' ? object : { token }))
    await expect(made.store.put('a', bytesOf('x'), { matchesVersion: derived })).rejects.toMatchObject(
      refused,
    )
    expect(await readText(made.store, 'a')).toBe('old')
  })
})
