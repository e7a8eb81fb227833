/** What is on disk when a put is acknowledged, told from the calls of a real process (storage.md 5.5). */
import { existsSync, readdirSync, utimesSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { durableDirs } from '../../../lib/store/fs/durable.ts'
import { fsStore } from '../../../lib/store/fs.ts'
import { bytesOf, createText } from '../../support/objects.ts'
import { folderStore } from '../../support/stores.ts'
import { startProgram } from './process.ts'
import type { Change } from './traced-fs.ts'

let made: ReturnType<typeof folderStore>

beforeEach(() => {
  made = folderStore()
})

afterEach(() => made.close())

/** The changes that an operation makes, in order. */
async function changesOf(operation: string, folder = made.folder): Promise<Change[]> {
  const program = startProgram('crasher.ts', [folder, operation])
  expect(await program.ended).toBe(0)
  return program.lines.map((line) => JSON.parse(line))
}

/** The change that shows the new generation, and what was synced before and after it. */
function around(
  changes: readonly Change[],
  call: string,
): { shown: Change; before: string[]; after: string[] } {
  const at = changes.findIndex((change) => change.call === call)
  const shown = changes[at]
  if (shown === undefined) throw new Error(`no ${call} among ${JSON.stringify(changes)}`)
  const synced = (some: readonly Change[]): string[] =>
    some.filter((change) => change.call === 'sync').map(({ paths }) => paths[0] ?? '')
  return { shown, before: synced(changes.slice(0, at)), after: synced(changes.slice(at + 1)) }
}

describe('a create', () => {
  test('syncs content, sidecar and every new directory up to the root before, and the name after', async () => {
    const changes = await changesOf('create')
    const { shown, before, after } = around(changes, 'link')
    const [temp = '', target] = shown.paths
    expect(target).toBe(join(made.folder, 'table/new/log/0'))
    const [draft, sidecar = ''] = changes.find(({ call }) => call === 'rename')?.paths ?? []
    // A sidecar is written with `flush`, which syncs it before the promise of writing resolves.
    expect(changes).toContainEqual({ call: 'writeFile and sync', paths: [draft] })
    expect(new Set(before)).toEqual(
      new Set([
        made.folder,
        join(made.folder, 'table'),
        join(made.folder, 'table/new'),
        temp,
        join(made.folder, '.arco-meta/tokens'),
        dirname(sidecar),
      ]),
    )
    expect(after).toEqual([join(made.folder, 'table/new/log')])
  })
})

describe('a replace', () => {
  test('syncs content and sidecar before, the name after, and only then drops the old sidecar', async () => {
    await createText(made.store, 'table/state', 'old')
    const changes = await changesOf('replace')
    const { shown, before, after } = around(changes, 'renameSync')
    expect(shown.paths[1]).toBe(join(made.folder, 'table/state'))
    expect(before).toContain(shown.paths[0])
    expect(before).toContain(dirname(changes.find(({ call }) => call === 'rename')?.paths[1] ?? ''))
    expect(after).toEqual([join(made.folder, 'table')])
    const last = changes.at(-1)
    expect(last?.call).toBe('rm')
    expect(last?.paths[0]).toMatch(/\.arco-meta\/tokens\//)
  })
})

describe('a folder that is new', () => {
  test('is on disk with its own name and those of its parents before anything is put in it', async () => {
    const lake = join(made.folder, 'some/where/lake')
    const { before } = around([...(await changesOf('open', lake)), { call: 'end', paths: [] }], 'end')
    for (const dir of [made.folder, join(made.folder, 'some'), join(made.folder, 'some/where'), lake]) {
      expect(before).toContain(dir)
    }
  })
})

describe('directories', () => {
  test('one that another process made is synced as well before it is relied on', async () => {
    await changesOf('create')
    // It exists now, and whoever made it may have died before its sync.
    const { before } = around(await changesOf('create-beside'), 'link')
    expect(before).toContain(join(made.folder, 'table/new'))
    expect(before).toContain(join(made.folder, 'table'))
    expect(before).toContain(made.folder)
  })

  test('one that was removed and made again is made, whatever was known of it', async () => {
    const dirs = await durableDirs(join(made.folder, 'root'))
    const dir = join(made.folder, 'root/a/b/c')
    await dirs.make(dir)
    await dirs.make(dir)
    expect(existsSync(dir)).toBe(true)
  })
})

describe('temp files of killed processes', () => {
  const temps = (): string[] => readdirSync(join(made.folder, '.arco-meta/tmp')).toSorted()

  test('do not block, and are swept at a start an hour later; younger ones may be somebody at work', async () => {
    await createText(made.store, 'a', 'x')
    const tmp = join(made.folder, '.arco-meta/tmp')
    for (const name of ['01OLD', '01OLD.token', '01YOUNG']) writeFileSync(join(tmp, name), 'half')
    const two_hours_ago = Date.now() / 1000 - 7_200
    for (const name of ['01OLD', '01OLD.token']) utimesSync(join(tmp, name), two_hours_ago, two_hours_ago)
    const next = fsStore(made.folder)
    expect((await next.put('b', bytesOf('x'), 'doesNotExist')).outcome).toBe('ok')
    expect(temps()).toEqual(['01YOUNG'])
  })
})
