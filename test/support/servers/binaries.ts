/** Real servers for tests: where their binaries are (scripts/install-servers.mjs), a free port, and a process that dies with us. */
import { existsSync } from 'node:fs'
import { createServer, type AddressInfo } from 'node:net'
import { join } from 'node:path'
import { once } from 'node:events'
import { REPOSITORY } from '../../house/tools.ts'
import { startProcess } from '../process.ts'

/** Path of a server's binary; null when `go` was not there to build it. */
export function serverBinary(name: 'minio' | 'fake-gcs-server'): string | null {
  const path = join(REPOSITORY, '.servers', 'bin', name)
  return existsSync(path) ? path : null
}

/** Why tests over a server are skipped; null when they run. */
export function whyNot(name: 'minio' | 'fake-gcs-server'): string | null {
  return serverBinary(name) === null ? `${name} is not installed (go is needed to build it)` : null
}

/** A loopback port that nobody listens on now. */
export async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  await new Promise((closed) => server.close(closed))
  return port
}

/** A server that runs. */
export interface ServerRun {
  readonly pid: number
  /** SIGKILL, and gone when this resolves. */
  kill(): Promise<void>
}

/**
 * Start a server that knows nothing of us. A shell between us holds its end of our pipe, so that it also dies when this
 * process is killed.
 */
export async function startServerBinary(
  command: string,
  args: readonly string[],
  options: {
    readonly cwd: string
    readonly env?: Readonly<Record<string, string>>
    isReady(): Promise<boolean>
  },
): Promise<ServerRun> {
  const running = startProcess({
    command: 'sh',
    args: [
      '-c',
      '"$@" >&2 <&- & child=$!; echo "pid $child"; read -r _; kill -9 $child',
      'sh',
      command,
      ...args,
    ],
    cwd: options.cwd,
    ...(options.env === undefined ? {} : { env: options.env }),
    own_group: true,
  })
  const [, pid = ''] = await running.printed(/^pid (\d+)$/m)
  for (let waited_ms = 0; !(await options.isReady().catch(() => false)); waited_ms += 50) {
    if (waited_ms > 60_000) {
      running.killAll()
      throw new Error(`${command} did not become ready: ${running.stderr().slice(-2_000)}`)
    }
    await new Promise((resolve) => setTimeout(resolve, 50))
  }
  return {
    pid: Number(pid),
    async kill() {
      running.killAll()
      await running.ended
    },
  }
}
