/** Child processes on one folder: the other servers, and the ones that are killed. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { createInterface } from 'node:readline'

/** A running program. What it writes to stdout by lines is all that it says. */
export interface Program {
  /** Everything that it has said so far. */
  readonly lines: readonly string[]
  /** Resolves when it said its first line. */
  readonly started: Promise<unknown>
  /** Tells it to go on, for programs that wait for it. */
  go(): void
  kill(): void
  /** When it is gone and all of its lines are here: its exit code, or the signal that ended it. */
  readonly ended: Promise<number | string>
}

/** Start one of the programs beside this file. Its stderr is ours, so that a mistake in it is seen. */
export function startProgram(name: string, args: readonly string[]): Program {
  const child = spawn(process.execPath, [join(import.meta.dirname, name), ...args], {
    stdio: ['pipe', 'pipe', 'inherit'],
  })
  const lines: string[] = []
  const reader = createInterface({ input: child.stdout })
  const started = once(reader, 'line')
  reader.on('line', (line) => lines.push(line))
  // Written to a program that was killed: nobody reads it.
  child.stdin.on('error', () => undefined)
  const exit = once(child, 'exit')
  const all_read = once(reader, 'close')
  return {
    lines,
    started: Promise.race([started, exit]),
    go: () => void child.stdin.write('go\n'),
    kill: () => void child.kill('SIGKILL'),
    ended: Promise.all([exit, all_read]).then(([[code, signal]]) =>
      typeof code === 'number' ? code : String(signal),
    ),
  }
}
