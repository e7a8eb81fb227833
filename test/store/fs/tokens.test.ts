/** Tokens of a folder store: kept across restarts, derived for the files of other tools, and never believed when stale. */
import { execFileSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { readdirSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { durableDirs } from '../../../lib/store/fs/durable.ts'
import { openGenerations } from '../../../lib/store/fs/generations.ts'
import { fsStore } from '../../../lib/store/fs.ts'
import { parseToken, sameVersion } from '../../../lib/store/tokens.ts'
import { bytesOf, createText, readObject, readText, replaceText } from '../../support/objects.ts'
import { folderStore } from '../../support/stores.ts'

let made: ReturnType<typeof folderStore>

beforeEach(() => {
  made = folderStore()
})

afterEach(() => made.close())

/** What an operator types, in the folder. */
function shell(command: string): void {
  execFileSync('sh', ['-euc', command], { cwd: made.folder })
}

/** The token that storage.md 5.5 prescribes for a file without one of its own. */
function derivedToken(key: string): string {
  const path = join(made.folder, key)
  const digest = createHash('sha256').update(readFileSync(path)).digest('hex').slice(0, 32)
  return `fs-${digest}-${statSync(path, { bigint: true }).mtimeNs}`
}

function sidecars(): string[] {
  return readdirSync(join(made.folder, '.arco-meta/tokens'), { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => entry.name)
}

describe('what was put', () => {
  test.each(['plain', 'reference'] as const)(
    'keeps its token across a restart, and can be replaced by it (%s)',
    async (token_format) => {
      const token = await createText(fsStore(made.folder, { token_format }), 'staged', 'payload')
      const restarted = fsStore(made.folder, { token_format })
      expect(await restarted.head('staged')).toMatchObject({ token })
      expect(await readObject(restarted, 'staged')).toMatchObject({ token })
      await replaceText(restarted, 'staged', 'next', token)
    },
  )

  test('keeps the very text of its token when the server is restarted with another token format', async () => {
    const token = await createText(fsStore(made.folder, { token_format: 'plain' }), 'staged', 'payload')
    const restarted = fsStore(made.folder, { token_format: 'reference' })
    expect((await readObject(restarted, 'staged')).token).toBe(token)
    const next = await replaceText(restarted, 'staged', 'next', token)
    expect(next).toMatch(/^\{"e_tag":"[0-9A-Z]{26}","version":null\}$/)
    expect(sameVersion(next, parseToken(next).e_tag ?? '')).toBe(true)
  })

  test('F-3: equal bytes have different tokens', async () => {
    const first = await createText(made.store, 'a', 'same')
    const second = await replaceText(made.store, 'a', 'same', first)
    expect(sameVersion(first, second)).toBe(false)
    expect(await made.store.put('a', bytesOf('x'), { matchesVersion: first })).toEqual({
      outcome: 'precondition_failed',
    })
  })

  test('is a file with exactly the bytes of the object', async () => {
    await createText(made.store, 'tenant=acme/state.json', '{"latest_version":1}')
    expect(readFileSync(join(made.folder, 'tenant=acme/state.json'), 'utf8')).toBe('{"latest_version":1}')
  })
})

describe('a file that another tool put there', () => {
  const WAYS: readonly { readonly tool: string; readonly command: string }[] = [
    { tool: 'cat', command: 'mkdir -p table; printf hello > table/a' },
    { tool: 'cp', command: 'mkdir -p table; printf hello > other; cp other table/a; rm other' },
    {
      tool: 'cp -p',
      command: 'mkdir -p table; printf hello > other; touch -d @1 other; cp -p other table/a; rm other',
    },
    { tool: 'mv', command: 'mkdir -p table; printf hello > other; mv other table/a' },
    { tool: 'ln', command: 'mkdir -p table; printf hello > other; ln other table/a; rm other' },
  ]

  test.each(WAYS)('$tool: is read, listed and replaced under its derived token', async ({ command }) => {
    shell(command)
    const token = derivedToken('table/a')
    expect(await readObject(made.store, 'table/a')).toMatchObject({ bytes: bytesOf('hello'), token })
    expect(await made.store.head('table/a')).toMatchObject({ token, size: 5 })
    expect((await made.store.listPage({ prefix: 'table', limit: 10 })).objects).toMatchObject([
      { key: 'table/a', token, size: 5 },
    ])
    expect((await made.store.put('table/a', bytesOf('x'), 'doesNotExist')).outcome).toBe(
      'precondition_failed',
    )
    const ours = await replaceText(made.store, 'table/a', 'ours', token)
    expect(ours).not.toMatch(/^fs-/)
    expect((await made.store.put('table/a', bytesOf('x'), { matchesVersion: token })).outcome).toBe(
      'precondition_failed',
    )
    expect(await readText(made.store, 'table/a')).toBe('ours')
  })

  test('has the derived token in the format that is asked for', async () => {
    shell('printf hello > a')
    const reference = fsStore(made.folder, { token_format: 'reference' })
    expect((await readObject(reference, 'a')).token).toBe(
      JSON.stringify({ e_tag: derivedToken('a'), version: null }),
    )
  })

  test('can be deleted under its derived token, and not under another', async () => {
    shell('printf hello > a')
    expect(await made.store.delete('a', { token: 'fs-0-0' })).toEqual({ outcome: 'precondition_failed' })
    expect(await made.store.delete('a', { token: derivedToken('a') })).toEqual({ outcome: 'ok' })
    expect((await made.store.get('a')).outcome).toBe('not_found')
  })
})

describe('an object that another tool changed', () => {
  const CHANGES: readonly { readonly change: string; readonly command: string; readonly text: string }[] = [
    { change: 'written in place (cat > file)', command: 'printf theirs > a', text: 'theirs' },
    { change: 'appended to', command: 'printf + >> a', text: 'ours 1+' },
    { change: 'replaced by mv', command: 'printf theirs > b; mv b a', text: 'theirs' },
    { change: 'replaced by cp', command: 'printf theirs > b; cp b a; rm b', text: 'theirs' },
    { change: 'removed and made again', command: 'rm a; printf theirs > a', text: 'theirs' },
    { change: 'touched', command: 'touch -d @1 a', text: 'ours 1' },
    // The same inode, size and mtime to the nanosecond: what an inode that came back can look like.
    {
      change: 'given other bytes under the old size and mtime',
      command: 'cp -p a ref; printf theirs > a; touch -r ref a; rm ref',
      text: 'theirs',
    },
  ]

  test.each(CHANGES)(
    '$change: its old token is stale, the derived one is good',
    async ({ command, text }) => {
      const ours = await createText(made.store, 'a', 'ours 1')
      shell(command)
      const token = derivedToken('a')
      expect((await made.store.put('a', bytesOf('x'), { matchesVersion: ours })).outcome).toBe(
        'precondition_failed',
      )
      expect(await made.store.delete('a', { token: ours })).toEqual({ outcome: 'precondition_failed' })
      expect(await readObject(made.store, 'a')).toMatchObject({ bytes: bytesOf(text), token })
      expect(await made.store.head('a')).toMatchObject({ token })
      await replaceText(made.store, 'a', 'ours 2', token)
    },
  )

  test('V-5: a sidecar of a removed file is not believed when its inode number comes back', async () => {
    const ours = await createText(made.store, 'a', 'ours 1')
    const [left_behind = ''] = sidecars()
    shell('cp -p a ref; rm a')
    // The worst that can be left: the sidecar of the old bytes under the identity of the new file.
    shell('printf theirs > a; touch -r ref a; rm ref')
    const { ino } = statSync(join(made.folder, 'a'))
    const believed = left_behind.replace(/-\d+-(\d+-[0-9a-f]+)$/, `-${ino}-$1`)
    shell(`cd .arco-meta/tokens/*; mv ${left_behind} ${believed} || test ${left_behind} = ${believed}`)
    expect(sidecars()).toEqual([believed])
    expect((await readObject(made.store, 'a')).token).toBe(derivedToken('a'))
    expect((await made.store.put('a', bytesOf('x'), { matchesVersion: ours })).outcome).toBe(
      'precondition_failed',
    )
  })

  test('V-3: one that is replaced while it is read is read again, not given a token of its own', async () => {
    // Large, so that hashing it takes longer than replacing it.
    await made.store.put('a', new Uint8Array(64 * 1024 * 1024), 'doesNotExist')
    shell('printf theirs > b')
    const sidecar = join(
      made.folder,
      '.arco-meta/tokens',
      sidecars()[0]?.slice(0, 2) ?? '',
      sidecars()[0] ?? '',
    )
    const reading = made.store.head('a')
    for (let i = 0; i < 20; i++) await new Promise((resolve) => setImmediate(resolve))
    renameSync(join(made.folder, 'b'), join(made.folder, 'a'))
    rmSync(sidecar)
    expect(await reading).toMatchObject({ size: 6, token: derivedToken('a') })
  })

  test('an inode number does not come back while its generation is looked at', async () => {
    await createText(made.store, 'a', 'ours')
    const path = join(made.folder, 'a')
    const dirs = await durableDirs(made.folder)
    const generations = await openGenerations(join(made.folder, '.arco-meta'), dirs, 'plain')
    const reused = await generations.look({ key: 'a', path }, null, async (seen) => {
      rmSync(path)
      return Array.from({ length: 100 }, (_, i) => {
        writeFileSync(join(made.folder, `new-${i}`), '')
        return statSync(join(made.folder, `new-${i}`), { bigint: true }).ino
      }).filter((ino) => ino === seen?.stats.ino)
    })
    expect(reused).toEqual([])
  })

  test('an empty sidecar counts as none', async () => {
    await createText(made.store, 'a', 'ours')
    shell('for each in .arco-meta/tokens/*/*; do : > "$each"; done')
    expect((await readObject(made.store, 'a')).token).toBe(derivedToken('a'))
  })
})

test('an object has one token for every runtime: nothing of it depends on more than ms of the mtime', async () => {
  const token = await createText(made.store, 'a', 'ours')
  const path = join(made.folder, 'a')
  // What Deno's stat says of it: the same, without what is below a ms.
  const { mtimeMs } = statSync(path, { bigint: true })
  shell(`touch -d @${mtimeMs / 1000n}.${String(mtimeMs % 1000n).padStart(3, '0')} a`)
  expect(statSync(path, { bigint: true }).mtimeNs).toBe(mtimeMs * 1_000_000n)
  expect((await readObject(made.store, 'a')).token).toBe(token)
})

test('replaced, deleted and refused generations leave no file behind', async () => {
  let token = await createText(made.store, 'a', 'generation 0')
  for (let i = 1; i <= 5; i++) token = await replaceText(made.store, 'a', `generation ${i}`, token)
  await made.store.put('a', bytesOf('x'), 'doesNotExist')
  await made.store.put('a', bytesOf('x'), { matchesVersion: 'stale' })
  await createText(made.store, 'b', 'deleted')
  await made.store.delete('b')
  await Promise.all(
    Array.from({ length: 8 }, async () => made.store.put('a', bytesOf('racer'), { matchesVersion: token })),
  )
  await Promise.all(
    Array.from({ length: 8 }, async () => made.store.put('c', bytesOf('racer'), 'doesNotExist')),
  )
  const aborted = new AbortController()
  const putting = made.store.put('d', bytesOf('x'), 'doesNotExist', { signal: aborted.signal })
  aborted.abort()
  await putting
  expect(sidecars()).toHaveLength(2)
  expect(readdirSync(join(made.folder, '.arco-meta/tmp'))).toEqual([])
})
