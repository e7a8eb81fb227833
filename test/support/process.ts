/** Real processes for tests: started, listened to, signalled, and never left behind. */
import { spawn, type ChildProcess } from 'node:child_process'
import { delimiter, dirname } from 'node:path'

/** How a process ended: by itself with a code, or by a signal. */
export interface Ended {
  readonly code: number | null
  readonly signal: NodeJS.Signals | null
  readonly stdout: string
  readonly stderr: string
}

/** A process that runs. */
export interface Running {
  readonly pid: number
  stdout(): string
  stderr(): string
  /** Resolves with the first match of `pattern` in stdout, or in stderr; rejects when the process ends without one. */
  printed(pattern: RegExp, where?: 'stdout' | 'stderr'): Promise<RegExpExecArray>
  kill(signal: NodeJS.Signals): void
  /** SIGKILL for it and, with `own_group`, everything that it started. */
  killAll(): void
  /** Stop reading its stderr, as a pager does that is quit. */
  closeStderr(): void
  /** Resolves once the process has ended and its pipes are read. */
  readonly ended: Promise<Ended>
}

/** What to start. */
export interface Command {
  readonly command: string
  readonly args: readonly string[]
  readonly cwd: string
  readonly env?: Readonly<Record<string, string>>
  /** Give it a process group of its own, so that `killAll` reaches what it started. */
  readonly own_group?: boolean
}

/** Start a process. Its stdin stays open as long as this process lives: what reads it can end with its parent. */
export function startProcess({ command, args, cwd, env = {}, own_group = false }: Command): Running {
  const child = spawn(command, [...args], { cwd, env: { ...machineEnv(), ...env }, detached: own_group })
  let stdout = ''
  let stderr = ''
  child.stdout.setEncoding('utf8').on('data', (text: string) => (stdout += text))
  child.stderr.setEncoding('utf8').on('data', (text: string) => (stderr += text))
  // A process that is killed before it has read its stdin is not an error of the test.
  child.stdin.on('error', () => undefined)
  const ended = endOf(child).then(({ code, signal }) => ({ code, signal, stdout, stderr }))
  // Whoever needs the end awaits it; a command that cannot be started rejects it.
  ended.catch(() => undefined)
  return {
    pid: child.pid ?? -1,
    stdout: () => stdout,
    stderr: () => stderr,
    async printed(pattern, where = 'stdout') {
      const matched = new Promise<RegExpExecArray>((found) => {
        const look = (): void => {
          const match = pattern.exec(where === 'stdout' ? stdout : stderr)
          if (match === null) return
          child[where].off('data', look)
          found(match)
        }
        child[where].on('data', look)
        look()
      })
      const gone = ended.then(({ code, signal }): never => {
        throw new Error(`${command} ended (${code ?? signal}) before it printed ${pattern}: ${stderr}`)
      })
      return Promise.race([matched, gone])
    },
    kill: (signal) => void child.kill(signal),
    killAll() {
      if (child.pid === undefined || !own_group) child.kill('SIGKILL')
      else killGroup(child.pid)
    },
    closeStderr: () => void child.stderr.destroy(),
    ended,
  }
}

function killGroup(pid: number): void {
  try {
    process.kill(-pid, 'SIGKILL')
  } catch (error) {
    // Nobody of the group is left.
    if (!(error instanceof Error && 'code' in error && error.code === 'ESRCH')) throw error
  }
}

/** Run a command to its end. Nothing is read from its stdin. */
export async function runCommand(command: Command): Promise<Ended> {
  return startProcess(command).ended
}

async function endOf(
  child: ChildProcess,
): Promise<{ readonly code: number | null; readonly signal: NodeJS.Signals | null }> {
  return new Promise((done, failed) => {
    child.once('error', failed)
    child.once('close', (code, signal) => done({ code, signal }))
  })
}

/** Variables of this run that would configure a server, an npm or a Node of another one. */
const FOREIGN =
  /^(ARCO_|TIDEMARK_|AWS_|GOOGLE_|VITEST|npm_)|^(PORT|NODE_OPTIONS|NODE_ENV|TEST|DEV|PROD|MODE)$/i

/** The environment of a machine on which nothing is configured; its `node` is the one that runs the tests. */
export function machineEnv(): Record<string, string> {
  const kept = Object.entries(process.env).filter(
    (entry): entry is [string, string] => entry[1] !== undefined && !FOREIGN.test(entry[0]),
  )
  return {
    ...Object.fromEntries(kept),
    PATH: [dirname(process.execPath), process.env['PATH'] ?? ''].join(delimiter),
  }
}
