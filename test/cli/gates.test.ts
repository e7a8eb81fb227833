/** `npm run gates`: what an operator reads, the exit codes that a script sees, and three broken protocols that it must notice. */
import { mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { PRIVATE, SERVICE_TOKEN } from '../support/deployment.ts'
import { NODE_ENTRY, startServer } from '../support/server-process.ts'
import { REPOSITORY } from '../house/tools.ts'
import { withMutantTree, type SourceEdit } from '../support/mutant.ts'
import { runCommand, type Ended } from '../support/process.ts'

/** Starting Node on a machine that may be busy. */
const SLOW_MS = 60_000

/** Run it as its npm script does, from a copy of the repository when told. */
async function gates(
  args: readonly string[],
  {
    cwd = REPOSITORY,
    env = {},
  }: { readonly cwd?: string; readonly env?: Readonly<Record<string, string>> } = {},
): Promise<Ended> {
  return runCommand({ command: process.execPath, args: [join(cwd, 'cli/gates.ts'), ...args], cwd, env })
}

interface Mutant {
  readonly breaks: string
  readonly edit: SourceEdit
  /** The gate that notices, what it promised and what it saw. */
  readonly gate: string
  readonly promise: string
  readonly saw: string
}

const MUTANTS: readonly Mutant[] = [
  {
    breaks: 'X5, a replay is answered from the marker alone',
    edit: {
      file: 'delta/answer.ts',
      find: "  if (match === 'match' || state === null || is_reserved) {\n",
      replace: "  if (match !== 'match' && (state === null || is_reserved)) {\n",
    },
    gate: 'replay-w3',
    promise:
      'A commit that was killed after it recorded its idempotency marker is finished by its replay, with one answer for ever',
    saw: '"inflight":0',
  },
  {
    breaks: 'X1, the owner adopts whatever holds its version',
    edit: {
      file: 'delta/drive.ts',
      find: '  if (!holdsPayload(log, staged.sha256, it.key.key_hash)) return yield* logTaken(it, own)\n',
      replace: '',
    },
    gate: 'foreign-entry',
    promise: 'A log entry that somebody wrote past the coordinator is never taken for a commit',
    saw: 'the owner of the version: expected log_conflict, it succeeded',
  },
  {
    breaks: 'F-3, a fencing token is not compared with that of the lock',
    edit: {
      file: 'lock.ts',
      find: "  if (current !== sequence) return { ok: false, reason: 'stale_fencing_token', current }\n",
      replace: '',
    },
    gate: 'fencing',
    promise: 'A holder of the compaction lock that was overtaken cannot publish with its token',
    saw: 'a compaction with token 1: expected stale_fencing_token, it succeeded',
  },
]

describe('a broken protocol', () => {
  test.concurrent.for(MUTANTS)(
    '$breaks: exit 1, and the promise in words',
    { timeout: SLOW_MS },
    async (mutant, { expect: see }) => {
      const { edit, gate, promise, saw } = mutant
      await withMutantTree([edit], ['lib', 'functions', 'cli'], async (folder) => {
        const { code, stdout, stderr } = await gates(['--bucket', 'memory:'], { cwd: folder })
        see({ code, stderr }).toEqual({ code: 1, stderr: '' })
        const lines = stdout.split('\n')
        see(lines.find((line) => line.startsWith(`FAIL  ${gate} `))).toContain(saw)
        see(stdout).toContain(`promised: ${promise}`)
        see(lines.at(-2)).toContain(`“${promise}”`)
        see(lines.at(-2)).toMatch(/^Broken: /)
        see(stdout).toMatch(/^ok {4}clean-up/m)
      })
    },
  )
})

test('a folder: every gate holds, exit 0, and the folder is as it was', { timeout: SLOW_MS }, async () => {
  const folder = mkdtempSync(join(tmpdir(), 'tidemark-gates-'))
  try {
    const { code, stdout, stderr } = await gates(['--bucket', `file:${folder}`, '--json'])
    const report = JSON.parse(stdout)
    expect({ code, stderr, conclusion: report.conclusion }).toEqual({
      code: 0,
      stderr: '',
      conclusion: 'held',
    })
    expect(report.gates.at(-1)).toMatchObject({ id: 'clean-up', verdict: 'holds' })
    expect(readdirSync(folder).filter((name) => !name.startsWith('.'))).toEqual([])
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
})

test(
  '--url: a service runs them over its store when it is shown the token',
  { timeout: SLOW_MS },
  async () => {
    const server = await startServer(NODE_ENTRY, PRIVATE)
    try {
      const args = ['--url', server.base]
      const allowed = await gates(args, { env: { ARCO_INTERNAL_TOKEN: SERVICE_TOKEN } })
      expect({ code: allowed.code, stderr: allowed.stderr }).toEqual({ code: 0, stderr: '' })
      expect(allowed.stdout).toMatch(/^ok {4}service-ready .*\nok {4}service-closed /m)
      expect(allowed.stdout).toMatch(/^ok {4}clean-up .* tenant=acme\/workspace=gates-/m)
      expect(allowed.stdout).toContain('\nAll 21 gates hold.\n')
      const refused = await gates(args, { env: { ARCO_INTERNAL_TOKEN: 'another' } })
      expect(refused.code).toBe(2)
      expect(refused.stderr).toContain('gates: POST /internal/gates answered 401: ')
    } finally {
      await server.stop('SIGKILL')
    }
  },
)

test.concurrent.each([
  { args: ['--bucket', 'ftp://x'], says: '--bucket: expected file:DIR, memory:, gs://BUCKET, s3://BUCKET' },
  { args: ['--bucket', 'file:/nonexistent/tidemark'], says: 'there is no folder /nonexistent/tidemark' },
  { args: ['--url', 'nowhere'], says: '--url: expected http://… or https://…, got "nowhere"' },
  { args: ['--url', 'http://127.0.0.1:9'], says: 'gates: fetch failed: ' },
  {
    args: ['--url', 'http://127.0.0.1:9', '--bucket', 'memory:'],
    says: 'gates: expected either --bucket or --url',
  },
  { args: ['--url', 'http://127.0.0.1:9', '--tenant', 'acme'], says: '--tenant: only with --bucket' },
  { args: ['--bucket', 'memory:', '--tenant', 'Acme'], says: '--tenant: expected only a-z, 0-9, _ and -' },
])('$args cannot be run, exit 2', { timeout: SLOW_MS }, async ({ args, says }) => {
  const { code, stderr } = await gates(args)
  expect(code).toBe(2)
  expect(stderr).toContain(says)
})
