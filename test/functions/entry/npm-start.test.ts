/** `npm start` on a fresh clone, as a newcomer meets it. */
import { existsSync, mkdirSync, readFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, beforeEach, describe, expect, onTestFinished, test } from 'vitest'
import { startProcess, type Running } from '../../support/process.ts'
import { runBlocks } from '../../support/shell.ts'
import { copyWorkingTree, type WorkingCopy } from '../../support/working-copy.ts'

let copy: WorkingCopy
beforeAll(() => {
  copy = copyWorkingTree()
})
afterAll(() => copy.remove())
beforeEach(() => rmSync(join(copy.root, '.tidemark'), { recursive: true, force: true }))

/** `npm start` in the copy; whatever it leaves running ends with the test. */
function npmStart(env: Readonly<Record<string, string>> = {}): Running {
  const npm = startProcess({
    command: 'npm',
    args: ['start'],
    cwd: copy.root,
    // The default port may be somebody's.
    env: { PORT: '0', ...env },
    own_group: true,
  })
  onTestFinished(() => npm.killAll())
  return npm
}

/** What it prints once it serves. */
interface Printed {
  readonly base: string
  readonly reference: string
  readonly table: string
  readonly commands: readonly string[]
}

async function printed(npm: Running): Promise<Printed> {
  const [text, base = '', reference = ''] = await npm.printed(
    /^Tidemark on (\S+) [\s\S]*^API reference: (\S+)$[\s\S]*\/inspect' \| jq\n/m,
  )
  const commands = text.split('\n').filter((line) => /^(curl|jq) /.test(line))
  const [, table = ''] = /'(\S+)\/inspect'/.exec(text) ?? []
  return { base, reference, table, commands }
}

/** Several starts of npm and of the server each, on a machine that may be busy. */
describe('npm start', { timeout: 60_000 }, () => {
  test('installs nothing, prints where it is, and every printed command works as printed', async () => {
    const npm = npmStart()
    const { base, reference, table, commands } = await printed(npm)
    expect(base).toMatch(/^http:\/\/127\.0\.0\.1:\d+$/)
    expect(npm.stderr()).not.toContain('npm ci')

    const elsewhere = join(copy.root, '.tidemark', 'elsewhere')
    mkdirSync(elsewhere)
    const [stage = '', commit = '', inspect = ''] = commands
    expect(commands).toEqual([stage, commit, inspect])
    // "Send the second line again"
    const { blocks, stderr } = await runBlocks([stage, commit, commit, inspect], { cwd: elsewhere })
    expect(stderr).toBe('')
    expect(blocks.map(({ code }) => code)).toEqual([0, 0, 0, 0])
    const [staged, committed, again, inspected] = blocks.map(({ stdout }) => JSON.parse(stdout))
    const table_id = table.slice(table.lastIndexOf('/') + 1)
    const delta_log_path = `tables/${table_id}/_delta_log/00000000000000000000.json`
    expect(staged).toEqual({
      staged_path: expect.stringContaining(`delta/staging/${table_id}/`),
      staged_version: expect.any(String),
    })
    expect(committed).toEqual({ version: 0, delta_log_path })
    expect(again).toEqual(committed)
    expect(inspected).toMatchObject({ latest_version: 0, inflight: null })

    const by_stand_ins = await runBlocks([commit, inspect, stage], { cwd: elsewhere, prefer: 'stand-ins' })
    expect(by_stand_ins.blocks.slice(0, 2)).toEqual(blocks.slice(2))
    expect(Object.keys(JSON.parse(by_stand_ins.blocks[2]?.stdout ?? ''))).toEqual(Object.keys(staged))

    const entry = join(copy.root, '.tidemark/tenant=dev/workspace=main', delta_log_path)
    expect(readFileSync(entry, 'utf8')).toBe('{"commitInfo":{"timestamp":1}}\n')
    const page = await fetch(reference)
    expect(page.status).toBe(200)
    expect(page.headers.get('content-type')).toMatch(/^text\/html/)
  })

  test('the first commit of README.md works as printed, with the output that it shows', async () => {
    const npm = npmStart()
    const { base } = await printed(npm)
    const steps = readmeSteps()
    expect(steps.map(({ command }) => command.split(' ', 1)[0])).toEqual([
      'git',
      'npm',
      expect.stringMatching(/^TABLE=/),
      'curl',
      'jq',
      'cat',
    ])
    const asked = steps.slice(2)
    const { blocks } = await runBlocks(
      asked.map(({ command }) => command.replace('http://127.0.0.1:8787', base)),
      { cwd: copy.root },
    )
    const shown = asked.map(({ output }) => output.replaceAll(FRESH, '…'))
    expect(blocks.map(({ stdout }) => stdout.replaceAll(FRESH, '…'))).toEqual(shown)
    expect(npm.stdout()).toContain(steps[1]?.output.trim().replace('http://127.0.0.1:8787', base))
  })

  test('SIGTERM ends it with exit code 0, and the next start sees the data (C7)', async () => {
    const first = npmStart()
    const before = await printed(first)
    const [stage = '', commit = ''] = before.commands
    const { blocks } = await runBlocks([stage, commit], { cwd: copy.root })
    first.kill('SIGTERM')
    expect(await first.ended).toMatchObject({ code: 0, signal: null })
    await expect(fetch(before.base)).rejects.toThrow('fetch failed')

    const second = npmStart()
    const after = await printed(second)
    const replay = commit.replace(before.base, after.base)
    const inspect = `curl -sS '${before.table.replace(before.base, after.base)}/inspect' | jq`
    const { blocks: later } = await runBlocks([replay, inspect], { cwd: copy.root })
    expect(later[0]).toEqual(blocks[1])
    expect(JSON.parse(later[1]?.stdout ?? '')).toMatchObject({ latest_version: 0, inflight: null })
  })

  test('a wrong configuration ends it with exit code 1 and every problem', async () => {
    const { code, stderr } = await npmStart({ PORT: 'http', TIDEMARK_HOST: '0.0.0.0' }).ended
    expect(code).toBe(1)
    expect(stderr).toContain(
      `Tidemark does not start: the configuration is wrong.
  PORT: expected a port number, 0 to 65535
  ARCO_ENVIRONMENT: required (dev, staging or prod): only a folder or memory on a loopback address may go without
  ARCO_API_PUBLIC: required (true or false) with ARCO_ENVIRONMENT
`,
    )
    expect(existsSync(join(copy.root, '.tidemark'))).toBe(false)
  })

  test('a port that is taken ends it with exit code 1 and says so', async () => {
    const { base } = await printed(npmStart())
    const { port } = new URL(base)
    const { code, stderr } = await npmStart({ PORT: port }).ended
    expect(code).toBe(1)
    expect(stderr).toContain(`Tidemark does not start: port ${port} of 127.0.0.1 is taken; `)
  })
})

/** What differs from run to run: ULIDs. */
const FRESH = /\b[0-9A-HJKMNP-TV-Z]{26}\b/g

/** The commands of README.md up to its section about tests, and what it shows them to print. */
function readmeSteps(): readonly { readonly command: string; readonly output: string }[] {
  const [first_commit = ''] = readFileSync(join(copy.root, 'README.md'), 'utf8').split(/^## /m)
  const consoles = Array.from(
    first_commit.matchAll(/^```console\n([\s\S]*?)^```$/gm),
    ([, text = '']) => text,
  )
  return consoles.flatMap((text) =>
    text
      .split(/^\$ /m)
      .slice(1)
      .map((step) => {
        // A command goes on in lines that are indented by four.
        const [command = ''] = /^.*(\n {4}.*)*/.exec(step) ?? []
        return { command, output: step.slice(command.length + 1) }
      }),
  )
}
