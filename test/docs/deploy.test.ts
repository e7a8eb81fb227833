/** The pages of docs/deploy, held to what is there: variables, files, commands and policies. */
import { createHash } from 'node:crypto'
import { cpSync, existsSync, mkdtempSync, readFileSync, rmSync, symlinkSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, onTestFinished, test } from 'vitest'
import packageJson from '../../package.json' with { type: 'json' }
import { readConfig, VARIABLE_NAMES } from '../../functions/config.ts'
import { DEFAULT_SETTINGS } from '../../lib/protocol/delta/settings.ts'
import { memoryStore } from '../../lib/store/memory.ts'
import { REPOSITORY } from '../house/tools.ts'
import { deployment, PRIVATE } from '../support/deployment.ts'
import { codeBlocks, documentText, variablesIn } from '../support/documents.ts'
import { runCommand, startProcess } from '../support/process.ts'
import { NODE_ENTRY, startServer } from '../support/server-process.ts'
import { runBlocks } from '../support/shell.ts'
import { digestOf, SECRET } from '../support/tokens.ts'
import { wranglerConfig } from '../support/worker.ts'

const PAGES = ['README', 'workers', 'google-cloud', 'lambda', 'deno', 'node'].map(
  (name) => `docs/deploy/${name}.md`,
)
const PLATFORMS = PAGES.filter((page) => !page.endsWith('README.md'))

describe('configurations', () => {
  const [json = ''] = codeBlocks('docs/deploy/lambda.md', 'json')
  const [yaml = ''] = codeBlocks('docs/deploy/google-cloud.md', 'yaml')
  const [toml = ''] = codeBlocks('docs/deploy/workers.md', 'toml')
  const secrets = { ARCO_JWT_SECRET: SECRET, TIDEMARK_INTERNAL_TOKEN_SHA256: 'ab'.repeat(32) }
  const CONFIGURATIONS: readonly {
    readonly page: string
    readonly env: Record<string, string>
    readonly auth: unknown
  }[] = [
    {
      page: 'lambda.md',
      env: (JSON.parse(json) as { Variables: Record<string, string> }).Variables,
      auth: { posture: 'public', user: { key: { kind: 'jwks' } } },
    },
    {
      page: 'google-cloud.md',
      env: variablesIn(yaml),
      auth: { posture: 'public', user: { key: { kind: 'jwks' } } },
    },
    {
      page: 'workers.md',
      env: { ...wranglerConfig().vars, ...variablesIn(toml), ...secrets },
      auth: { posture: 'public', user: { key: { kind: 'hs256' } } },
    },
    ...['deno.md', 'node.md'].map((page) => ({
      page,
      env: variablesIn(codeBlocks(`docs/deploy/${page}`, 'ini')[0] ?? ''),
      auth: { posture: 'private', user: { mode: 'single-scope', behind_internal: true } },
    })),
  ]

  test.each(CONFIGURATIONS)(
    '$page: starts, in the posture and with the users that the page says',
    ({ env, auth }) => {
      const read = readConfig(env)
      expect(read).toMatchObject({
        ok: true,
        config: { auth, scope: { tenant: 'acme', workspace: 'analytics' } },
      })
      for (const name of Object.keys(env)) {
        expect(name.startsWith('AWS_') || VARIABLE_NAMES.includes(name)).toBe(true)
      }
    },
  )

  test('the names that wrangler.toml leaves out are those that the page adds', () => {
    const read = readConfig(wranglerConfig().vars)
    const missing = read.ok ? [] : read.problems.map((problem) => problem.split(':', 1)[0])
    const added = [...Object.keys(variablesIn(toml)), ...Object.keys(secrets)]
    expect(added).toEqual(expect.arrayContaining(missing))
    const put = codeBlocks('docs/deploy/workers.md', 'bash')
      .join('\n')
      .matchAll(/secret put (\w+)/g)
    expect(Array.from(put, ([, name]) => name)).toEqual(Object.keys(secrets))
  })

  test('README.md has every variable that is read, and no other', () => {
    const [, table = ''] =
      /^## Every variable\n([\s\S]*?)\n\n[^|]/m.exec(documentText('docs/deploy/README.md')) ?? []
    const first_cells = Array.from(table.matchAll(/^\| (`.*?`) \|/gm), ([, cell = '']) => cell)
    const listed = first_cells.flatMap((cell) =>
      Array.from(cell.matchAll(/`([A-Z0-9_]+)`/g), ([, name = '']) => name),
    )
    expect(new Set(listed)).toEqual(new Set(VARIABLE_NAMES))
    expect(listed).toHaveLength(VARIABLE_NAMES.length)
  })
})

describe('commands', () => {
  const blocks = PAGES.flatMap((page) => codeBlocks(page, 'bash').map((code) => ({ page, code })))

  test.each(PAGES)('%s: every block is bash that parses', async (page) => {
    for (const code of codeBlocks(page, 'bash')) {
      const { stderr, code: exit_code } = await runCommand({
        command: 'bash',
        args: ['-n', '-c', code],
        cwd: tmpdir(),
      })
      expect([code, exit_code, stderr]).toEqual([code, 0, ''])
    }
  })

  test('scripts and files that they name are there', () => {
    const all = blocks.map(({ code }) => code).join('\n')
    const scripts = new Set(Array.from(all.matchAll(/npm run ([\w:]+)/g), ([, name = '']) => name))
    expect([...scripts].filter((name) => !(name in packageJson.scripts))).toEqual([])
    const files = new Set(all.match(/\b(?:docs|functions|scripts)\/[\w./-]+/g))
    expect(files.size).toBeGreaterThan(3)
    expect([...files].filter((file) => !existsSync(join(REPOSITORY, file)))).toEqual([])
    expect(all).not.toMatch(/wrangler@(?!4\.164\.0)/)
  })

  test.each(PLATFORMS)('%s: starts from nothing, and sets each shell variable before it is used', (page) => {
    const code = codeBlocks(page, 'bash').join('\n')
    expect(code).toMatch(/^git clone /)
    const unset = Array.from(code.matchAll(/\$\{?([A-Z][A-Z0-9_]*)/g))
      .filter(({ index, 1: name }) => !new RegExp(`\\b${name}=`).test(code.slice(0, index)))
      .map(([, name]) => name)
    // Those that README.md makes, which every page sends its reader to.
    expect(unset.filter((name) => name !== 'TOKEN' && name !== 'JWT')).toEqual([])
  })

  test('every timeout that they set is above the commit deadline', () => {
    const all = blocks.map(({ code }) => code).join('\n')
    const seconds = Array.from(all.matchAll(/--(?:stop-)?timeout[ =](\d+)/g), ([, text]) => Number(text))
    expect(seconds).toHaveLength(4)
    for (const each of seconds) expect(each * 1000).toBeGreaterThan(DEFAULT_SETTINGS.deadline_ms)
  })

  test('each platform has a first commit, the same but for its address and its token', () => {
    const commits = PLATFORMS.map((page) =>
      commitOf(page)
        .replaceAll('$JWT', '$TOKEN')
        .replace(/^(URL|TABLE)=.*\n/gm, ''),
    )
    expect(commits[0]).toContain('commits/stage')
    expect(new Set(commits).size).toBe(1)
  })

  test('README.md: the service token and its digest', async () => {
    const [make = ''] = codeBlocks('docs/deploy/README.md', 'bash')
    const { blocks: ran } = await runBlocks([`${make}\nprintf '%s %s' "$TOKEN" "$DIGEST"`])
    const [token = '', digest = ''] = ran[0]?.stdout.split(' ') ?? []
    expect(token).toMatch(/^[0-9a-f]{64}$/)
    expect(digest).toBe(createHash('sha256').update(token).digest('hex'))
  })

  test('README.md: the user token opens a deployment of workers.md', async () => {
    const make = codeBlocks('docs/deploy/README.md', 'bash')[1] ?? ''
    const { blocks: ran, stderr } = await runBlocks([`SECRET=${SECRET}\n${make}\nprintf '%s' "$JWT"`], {
      cwd: REPOSITORY,
    })
    expect(stderr).toBe('')
    const service = await deployment(PRIVATE, memoryStore())
    expect(await service.ask('GET', '/', { token: ran[0]?.stdout ?? '' })).toMatchObject({ status: 200 })
  })

  test(
    'node.md: its configuration over a folder, and the commit as printed',
    { timeout: 30_000 },
    async () => {
      const folder = mkdtempSync(join(tmpdir(), 'tidemark-docs-'))
      onTestFinished(() => rmSync(folder, { recursive: true, force: true }))
      const env = {
        ...variablesIn(codeBlocks('docs/deploy/node.md', 'ini')[0] ?? ''),
        ARCO_STORAGE_BUCKET: `file:${folder}`,
        TIDEMARK_INTERNAL_TOKEN_SHA256: await digestOf('my-token'),
      }
      const server = await startServer(NODE_ENTRY, env)
      onTestFinished(() => server.kill('SIGKILL'))
      const commit = commitOf('docs/deploy/node.md').replaceAll('http://127.0.0.1:8787', server.base)
      const { blocks: ran } = await runBlocks([`TOKEN=my-token\n${commit}`, commit])
      const table_id = '0194f5a0-1c00-7c3d-9b1e-2f6a4d8e0c11'
      const committed = {
        version: 0,
        delta_log_path: `tables/${table_id}/_delta_log/00000000000000000000.json`,
      }
      expect(JSON.parse(ran[0]?.stdout ?? '')).toEqual(committed)
      // Another payload under the same key is what the second paste sends, and the commit stands.
      expect(JSON.parse(ran[1]?.stdout ?? '')).toMatchObject({ reason: 'key_reuse' })
    },
  )
})

/** The block that stages and commits. */
function commitOf(page: string): string {
  const found = codeBlocks(page, 'bash').find((code) => code.includes('commits/stage'))
  if (found === undefined) throw new Error(`${page} has no commit`)
  return found
}

describe('the Dockerfile', () => {
  const lines = readFileSync(join(REPOSITORY, 'Dockerfile'), 'utf8').split('\n')

  test('what it copies is all that the server needs', { timeout: 30_000 }, async () => {
    const root = mkdtempSync(join(tmpdir(), 'tidemark-image-'))
    onTestFinished(() => rmSync(root, { recursive: true, force: true }))
    const copied = lines.flatMap(
      (line) => /^COPY (?!--from)(.*) \.\/?(?:\w*)$/.exec(line)?.[1]?.split(' ') ?? [],
    )
    expect(copied).toEqual(expect.arrayContaining(['package.json', 'functions', 'lib']))
    const ignored = readFileSync(join(REPOSITORY, '.dockerignore'), 'utf8').trim().split('\n')
    for (const name of copied) {
      expect(ignored).not.toContain(name)
      cpSync(join(REPOSITORY, name), join(root, name), { recursive: true })
    }
    symlinkSync(join(REPOSITORY, 'node_modules'), join(root, 'node_modules'))
    const command = JSON.parse(lines.find((line) => line.startsWith('CMD '))?.slice(4) ?? '[]') as string[]
    expect(command[0]).toBe('node')
    const server = startProcess({
      command: process.execPath,
      args: command.slice(1),
      cwd: root,
      env: { PORT: '0', ARCO_STORAGE_BUCKET: 'memory:' },
    })
    onTestFinished(() => server.kill('SIGKILL'))
    const [, base = ''] = await server.printed(/^Tidemark on (http:\S+)/m)
    const probe = JSON.parse(/HEALTHCHECK .* CMD (\[.*\])$/m.exec(lines.join('\n'))?.[1] ?? '[]') as string[]
    const checked = async (port: string): Promise<number | null> =>
      (await runCommand({ command: process.execPath, args: probe.slice(1), cwd: root, env: { PORT: port } }))
        .code
    expect(await checked(new URL(base).port)).toBe(0)
    expect(await checked('1')).toBe(1)
  })

  test('everything that runs is a dependency, not a development one', async () => {
    const { bundle } = await import('../../scripts/build.ts')
    const folder = mkdtempSync(join(tmpdir(), 'tidemark-image-'))
    onTestFinished(() => rmSync(folder, { recursive: true, force: true }))
    const { inputs } = await bundle('gcf', folder)
    const direct = Object.entries(inputs)
      .filter(([path]) => /^(functions|lib)\//.test(path))
      .flatMap(([, { imports }]) => imports.map(({ original = '' }) => original))
      .filter((name) => /^[@a-z]/.test(name) && !name.startsWith('node:'))
      .map((name) => (name.startsWith('@') ? name.split('/', 2).join('/') : (name.split('/', 1)[0] ?? '')))
    expect(direct.length).toBeGreaterThan(5)
    expect([...new Set(direct)].filter((name) => !(name in packageJson.dependencies))).toEqual([])
  })
})
