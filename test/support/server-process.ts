/** Server processes: the real entry file or one of the tests', on a free loopback port. */
import { REPOSITORY } from '../house/tools.ts'
import { startProcess, type Ended, type Running } from './process.ts'

/** A server that listens. */
export interface ServerProcess extends Running {
  /** `http://127.0.0.1:PORT` */
  readonly base: string
  /** Its log so far, every request included whose answer somebody has seen. */
  log(): Promise<readonly Readonly<Record<string, unknown>>[]>
  /** Signal it and wait for its end. */
  stop(signal: NodeJS.Signals): Promise<Ended>
}

/** The entry file that `npm start` runs. */
export const NODE_ENTRY = 'functions/entry/node.ts'

/** Start `entry` and wait until it listens. */
export async function startServer(
  entry: string,
  env: Readonly<Record<string, string>> = {},
): Promise<ServerProcess> {
  const running = startProcess({
    command: process.execPath,
    args: [entry],
    cwd: REPOSITORY,
    env: { PORT: '0', ...env },
  })
  const [, base = ''] = await running.printed(/^Tidemark on (http:\S+)/m)
  return {
    ...running,
    base,
    async log() {
      // A line is in the pipe before its request is answered; one turn of the event loop reads it.
      await new Promise((read) => setImmediate(read))
      const complete = running.stderr().split('\n').slice(0, -1)
      return complete.filter((line) => line.startsWith('{')).map((line) => JSON.parse(line))
    },
    async stop(signal) {
      running.kill(signal)
      return running.ended
    },
  }
}
