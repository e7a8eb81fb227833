/** A real fake-gcs-server on a free loopback port, in memory, with one bucket. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { freePort, serverBinary, startServerBinary } from './binaries.ts'

/** A GCS service under test. */
export interface GcsServer {
  readonly endpoint: string
  readonly bucket: string
  stop(): Promise<void>
}

/** Start one. Fails where it is not installed: ask `whyNot('fake-gcs-server')` first. */
export async function startFakeGcs(bucket = 'tidemark'): Promise<GcsServer> {
  const binary = serverBinary('fake-gcs-server')
  if (binary === null) throw new Error('fake-gcs-server is not installed')
  const folder = mkdtempSync(join(tmpdir(), 'tidemark-gcs-'))
  const port = await freePort()
  const endpoint = `http://127.0.0.1:${port}`
  const run = await startServerBinary(
    binary,
    [
      '-scheme',
      'http',
      '-host',
      '127.0.0.1',
      '-port',
      String(port),
      '-backend',
      'memory',
      '-external-url',
      endpoint,
    ],
    { cwd: folder, isReady: async () => (await fetch(`${endpoint}/_internal/healthcheck`)).ok },
  )
  const created = await fetch(`${endpoint}/storage/v1/b?project=test`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ name: bucket }),
  })
  if (!created.ok) throw new Error(`no bucket: ${created.status} ${await created.text()}`)
  return {
    endpoint,
    bucket,
    async stop() {
      await run.kill()
      rmSync(folder, { recursive: true, force: true })
    },
  }
}
