/** Server processes over one bucket that are killed at random and started again, and what their logs said. */
import { startServer, type ServerProcess } from '../support/server-process.ts'
import type { Random } from './random.ts'

/** The servers of one run. */
export interface Fleet {
  /** The address of any server that has not been killed; waits while there is none. */
  pick(random: Random): Promise<string>
  /** Kill one of them, wherever it is, and start another in its place. */
  kill(random: Random): void
  /** Kill all of them at once, and start others in their place. */
  killAll(): void
  /** Wait until every killed server has its successor. */
  settle(): Promise<void>
  /** End them as an operator would. */
  stop(): Promise<FleetReport>
}

/** What became of the servers. */
export interface FleetReport {
  /** Of servers that were asked to end: every exit that was not 0. */
  readonly bad_exits: readonly string[]
  readonly kills: number
  /** By crash window and what was done about it, as servers noted it: `W1 rolled_forward`. */
  readonly recoveries: Readonly<Record<string, number>>
  /** Log lines of errors, and of what servers want a person to look at: nothing of it may come of being killed. */
  readonly complaints: readonly Readonly<Record<string, unknown>>[]
}

/** Start `size` servers from one entry file. */
export async function startFleet(
  entry: string,
  size: number,
  env: Readonly<Record<string, string>>,
): Promise<Fleet> {
  const start = async (): Promise<ServerProcess> => startServer(entry, env)
  const up = new Set(await Promise.all(Array.from({ length: size }, start)))
  const killed: ServerProcess[] = []
  const starting = new Set<Promise<void>>()

  function replace(victim: ServerProcess): void {
    up.delete(victim)
    victim.kill('SIGKILL')
    killed.push(victim)
    const started = start().then((server) => {
      up.add(server)
      starting.delete(started)
    })
    starting.add(started)
    // Whoever waits for a server learns why there is none.
    started.catch(() => undefined)
  }

  return {
    async pick(random) {
      while (up.size === 0) await Promise.race(starting)
      return random.pick(Array.from(up)).base
    },
    kill(random) {
      if (up.size > 0) replace(random.pick(Array.from(up)))
    },
    killAll() {
      for (const server of Array.from(up)) replace(server)
    },
    async settle() {
      await Promise.all(starting)
    },
    async stop() {
      await Promise.allSettled(starting)
      const ends = await Promise.all(Array.from(up, async (server) => server.stop('SIGTERM')))
      await Promise.all(killed.map(async ({ ended }) => ended))
      const logs = await Promise.all([...up, ...killed].map(async (server) => server.log()))
      const lines = logs.flat()
      return {
        bad_exits: ends
          .filter(({ code }) => code !== 0)
          .map(({ code, signal, stderr }) => `exit ${code ?? signal}: ${stderr.slice(-500)}`),
        kills: killed.length,
        recoveries: counted(
          lines
            .filter(({ message }) => message === 'recovered')
            .map(({ window, action }) => `${String(window)} ${String(action)}`),
        ),
        complaints: lines.filter(({ level, message }) => level === 'ERROR' || message === 'alert'),
      }
    },
  }
}

/** How often each word occurs, in the order of the words. */
export function counted(words: readonly string[]): Record<string, number> {
  const counts: Record<string, number> = {}
  for (const word of words.toSorted()) counts[word] = (counts[word] ?? 0) + 1
  return counts
}
