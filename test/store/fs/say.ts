/** How a child process talks to the test: a line is in the pipe before anything else happens, a kill included. */
import { writeSync } from 'node:fs'
import { once } from 'node:events'

/** Say one line. */
export function say(line: string): void {
  writeSync(1, `${line}\n`)
}

/** Wait until the test says `go`. */
export async function untilGo(): Promise<void> {
  await once(process.stdin, 'data')
  process.stdin.pause()
}
