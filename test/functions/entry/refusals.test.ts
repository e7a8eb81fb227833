/** When `functions/entry/node.ts` does not start, it says everything that is wrong and what to do, and exits with 1. */
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { beforeEach, describe, expect, onTestFinished, test } from 'vitest'
import { REPOSITORY } from '../../house/tools.ts'
import { startProcess, type Ended } from '../../support/process.ts'
import { NODE_ENTRY } from '../../support/server-process.ts'

let folder: string
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'tidemark-refused-'))
  return () => rmSync(folder, { recursive: true, force: true })
})

/** Run the real entry file in a folder of its own, with nothing configured but `env`. */
async function start(env: Readonly<Record<string, string>>): Promise<Ended> {
  const started = startProcess({
    command: process.execPath,
    args: [join(REPOSITORY, NODE_ENTRY)],
    cwd: folder,
    env: { PORT: '0', ...env },
  })
  onTestFinished(() => started.kill('SIGKILL'))
  return started.ended
}

function refusal(...lines: string[]): Ended {
  return { code: 1, signal: null, stdout: '', stderr: lines.map((line) => `${line}\n`).join('') }
}

describe('a wrong configuration', () => {
  test('reports every problem at once, and touches nothing', async () => {
    const ended = await start({
      ARCO_STORAGE_BUCKET: 'ftp://bucket',
      ARCO_TENANT_ID: 'Acme Inc',
      ARCO_ENVIRONMENT: 'prod',
      ARCO_API_PUBLIC: 'true',
      ARCO_JWT_SECRET: 'hunter2',
      ARCO_LOG_FORMAT: 'xml',
      PORT: '65536',
      TIDEMARK_HOST: '0.0.0.0',
      TIDEMARK_RESOLVER: 'static',
      TIDEMARK_TABLES: '{"not-an-id":null}',
      TIDEMARK_SEAL_TABLES: 'some',
    })
    const named = Array.from(ended.stderr.matchAll(/^  ([A-Z0-9_]+): \S/gm), ([, name = '']) => name)
    expect(new Set(named)).toEqual(
      new Set([
        'ARCO_JWT_SECRET',
        'ARCO_LOG_FORMAT',
        'ARCO_STORAGE_BUCKET',
        'ARCO_TENANT_ID',
        'PORT',
        'TIDEMARK_INTERNAL_TOKEN_SHA256',
        'TIDEMARK_SEAL_TABLES',
        'TIDEMARK_TABLES',
      ]),
    )
    expect(ended.code).toBe(1)
    expect(ended.stdout).toBe('')
    expect(ended.stderr).not.toContain('hunter2')
    expect(existsSync(join(folder, '.tidemark'))).toBe(false)
  })

  test('a public key that is none is found before anybody can ask', async () => {
    const ended = await start({
      ARCO_ENVIRONMENT: 'dev',
      ARCO_API_PUBLIC: 'false',
      ARCO_JWT_PUBLIC_KEY_PEM: '-----BEGIN PUBLIC KEY-----\\nbm8ga2V5\\n-----END PUBLIC KEY-----',
    })
    expect(ended).toEqual(
      refusal(
        'Tidemark does not start: the configuration is wrong.',
        '  ARCO_JWT_PUBLIC_KEY_PEM: expected an RSA public key of at least 2048 bits as PEM (BEGIN PUBLIC KEY)',
      ),
    )
  })

  test('an R2 binding does not exist here, and the text says what to do', async () => {
    const ended = await start({
      ARCO_STORAGE_BUCKET: 'r2:BUCKET',
      ARCO_ENVIRONMENT: 'dev',
      ARCO_API_PUBLIC: 'false',
    })
    expect(ended).toEqual(
      refusal('Tidemark does not start: an R2 binding exists on Workers only; elsewhere use s3://BUCKET'),
    )
  })
})

describe('a place that cannot be used', () => {
  test('a port that is taken is named, with what to do about it', async () => {
    const other = createServer()
    await new Promise<void>((listening) => other.listen({ host: '127.0.0.1', port: 0 }, listening))
    onTestFinished(() => void other.close())
    const address = other.address()
    const port = typeof address === 'object' && address !== null ? address.port : 0
    expect(await start({ PORT: String(port) })).toEqual(
      refusal(
        `Tidemark does not start: port ${port} of 127.0.0.1 is taken; stop the other process or set PORT to another one`,
      ),
    )
  })

  test.for([
    { promise: 'a file where the folder should be', bucket: 'file:occupied', why: /EEXIST/ },
    { promise: 'a folder below a file', bucket: 'file:occupied/below', why: /ENOTDIR/ },
  ])('$promise is refused before anybody can send a commit', async ({ bucket, why }) => {
    writeFileSync(join(folder, 'occupied'), 'a file')
    const ended = await start({ ARCO_STORAGE_BUCKET: bucket })
    expect(ended).toMatchObject({ code: 1, signal: null, stdout: '' })
    expect(ended.stderr).toMatch(/^Tidemark does not start: folder .* cannot be used: .*\n$/)
    expect(ended.stderr).toMatch(why)
    expect(ended.stderr).toContain('set ARCO_STORAGE_BUCKET to another one')
  })
})
