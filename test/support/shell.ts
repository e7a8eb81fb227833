/** Shell commands as an operator would paste them, with stand-ins for what the machine may not have. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { delimiter, join } from 'node:path'
import { REPOSITORY } from '../house/tools.ts'
import { machineEnv, runCommand } from './process.ts'

/** `gcloud`, always the stand-in: tests must not reach anybody's cloud. */
const STAND_INS = join(REPOSITORY, 'test/support/bin')

/** `curl`, `jq` and `shasum`, which a bare Debian does not have. */
const MISSING = join(STAND_INS, 'missing')

/** How commands are run. */
export interface ShellOptions {
  readonly cwd?: string
  readonly env?: Readonly<Record<string, string>>
  /** The machine's own tools are used where it has them, unless the stand-ins are to be tested. */
  readonly prefer?: 'machine' | 'stand-ins'
}

/** What one block of commands came to. */
export interface BlockResult {
  readonly stdout: string
  /** Exit code of its last pipeline, the first failing part of it. */
  readonly code: number
}

/**
 * Run blocks one after the other in one bash, so that each sees the variables of those before it. Their text is not
 * touched; between them the shell says where the output of one ends.
 */
export async function runBlocks(
  blocks: readonly string[],
  { cwd, env = {}, prefer = 'machine' }: ShellOptions = {},
): Promise<{ readonly blocks: readonly BlockResult[]; readonly stderr: string }> {
  const room = mkdtempSync(join(tmpdir(), 'tidemark-shell-'))
  try {
    const script = join(room, 'script.sh')
    writeFileSync(script, blocks.map((block) => `${block}\nprintf '\\n${END}%s\\n' "$?"\n`).join(''))
    const { PATH = '' } = machineEnv()
    const { stdout, stderr } = await runCommand({
      command: 'bash',
      args: ['-o', 'pipefail', script],
      cwd: cwd ?? room,
      env: {
        ...env,
        PATH: (prefer === 'machine' ? [STAND_INS, PATH, MISSING] : [STAND_INS, MISSING, PATH]).join(
          delimiter,
        ),
      },
    })
    const pieces = stdout.split(END_LINE)
    return {
      blocks: blocks.map((_, at) => ({ stdout: pieces[2 * at] ?? '', code: Number(pieces[2 * at + 1]) })),
      stderr,
    }
  } finally {
    rmSync(room, { recursive: true, force: true })
  }
}

const END = '--- end of block, exit code '
const END_LINE = new RegExp(`\\n${END}(\\d+)\\n`)
