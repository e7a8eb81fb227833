/** `npm run doctor`: the table and the JSON that an operator sees, word for word, and the exit codes that a script sees. */
import { once } from 'node:events'
import { createServer, type AddressInfo } from 'node:net'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { REPOSITORY } from '../house/tools.ts'
import { runCommand, type Ended } from '../support/process.ts'
import { startFaultProxy } from '../support/fault-proxy.ts'
import { s3Error } from '../support/s3-bench.ts'
import { startGcsGateway, type GcsGateway } from '../support/gcs-gateway.ts'
import { startS3Gateway, type S3Gateway } from '../support/s3-gateway.ts'
import { whyNot } from '../support/servers/binaries.ts'
import { startGcsFake, type GcsFake } from '../support/servers/gcs-fake.ts'
import { startMinio, type Minio, type S3Keys } from '../support/servers/minio.ts'

/** Run it as its npm script does. */
async function doctor(args: readonly string[], env: Readonly<Record<string, string>> = {}): Promise<Ended> {
  return runCommand({
    command: process.execPath,
    args: ['cli/doctor.ts', ...args],
    cwd: REPOSITORY,
    // Nothing of this machine is a credential of the test.
    env: {
      HOME: '/nonexistent',
      AWS_EC2_METADATA_DISABLED: 'true',
      METADATA_SERVER_DETECTION: 'none',
      ...env,
    },
  })
}

function s3Env(endpoint: string, keys: S3Keys): Record<string, string> {
  return {
    AWS_ENDPOINT_URL_S3: endpoint,
    AWS_REGION: 'us-east-1',
    AWS_ACCESS_KEY_ID: keys.accessKeyId,
    AWS_SECRET_ACCESS_KEY: keys.secretAccessKey,
    ...(keys.sessionToken === undefined ? {} : { AWS_SESSION_TOKEN: keys.sessionToken }),
  }
}

/** What is said does not depend on the port that a test got. */
const written = ({ code, stdout, stderr }: Ended): string =>
  `${stdout}${stderr === '' ? '' : `--- stderr\n${stderr}`}--- exit code ${code}\n`.replaceAll(
    /127\.0\.0\.1:\d+/g,
    '127.0.0.1:PORT',
  )

/** A port on which nobody listens. */
async function deadPort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  await new Promise((closed) => server.close(closed))
  return port
}

const skipped = whyNot('minio')

describe.skipIf(skipped !== null)(`over MinIO${skipped === null ? '' : ` (${skipped})`}`, () => {
  let minio: Minio
  let gateway: S3Gateway
  beforeAll(async () => {
    minio = await startMinio()
    gateway = await startS3Gateway(minio)
  }, 60_000)
  afterAll(async () => {
    await gateway.close()
    await minio.stop()
  })
  const env = (): Record<string, string> => s3Env(minio.endpoint, minio.keys)

  test.concurrent('a bucket that honours its conditions is certified, exit 0', async ({ expect: see }) => {
    const ended = await doctor(['--bucket', 's3://tidemark'], env())
    await see(written(ended)).toMatchFileSnapshot('golden/minio.txt')
  })

  test.concurrent('--json says the same to a program', async ({ expect: see }) => {
    const ended = await doctor(['--bucket', 's3://tidemark', '--json'], env())
    see({ code: ended.code, stderr: ended.stderr }).toEqual({ code: 0, stderr: '' })
    await see(`${JSON.stringify(JSON.parse(ended.stdout), null, 2)}\n`).toMatchFileSnapshot(
      'golden/minio.json',
    )
  })

  test.concurrent('a gateway that drops If-None-Match is refused in words for its vendor, exit 1', async ({
    expect: see,
  }) => {
    const ended = await doctor(['--bucket', 's3://tidemark'], {
      ...env(),
      AWS_ENDPOINT_URL_S3: gateway.endpoint('ignores_create'),
    })
    await see(written(ended)).toMatchFileSnapshot('golden/ignores-create.txt')
  })

  test.concurrent('a gateway that drops If-Match is refused, exit 1, and --json says so to a program', async ({
    expect: see,
  }) => {
    const ended = await doctor(['--bucket', 's3://tidemark', '--json'], {
      ...env(),
      AWS_ENDPOINT_URL_S3: gateway.endpoint('ignores_replace'),
    })
    see({ code: ended.code, stderr: ended.stderr }).toEqual({ code: 1, stderr: '' })
    await see(`${JSON.stringify(JSON.parse(ended.stdout), null, 2)}\n`).toMatchFileSnapshot(
      'golden/ignores-replace.json',
    )
  })

  test.concurrent('a gateway that checks first and writes later is refused for its race, exit 1', async ({
    expect: see,
  }) => {
    const ended = await doctor(['--bucket', 's3://tidemark'], {
      ...env(),
      AWS_ENDPOINT_URL_S3: gateway.endpoint('checks_then_writes'),
    })
    see(ended.code).toBe(1)
    // How many of them got through is another number each time.
    await see(written(ended).replace(/succeed, \d did/, 'succeed, N did')).toMatchFileSnapshot(
      'golden/checks-then-writes.txt',
    )
  })

  test.concurrent('a store that wants ETags without quotes is certified, and what to set is said', async ({
    expect: see,
  }) => {
    const ended = await doctor(['--bucket', 's3://tidemark'], {
      ...env(),
      AWS_ENDPOINT_URL_S3: gateway.endpoint('wants_unquoted'),
    })
    see(ended.code).toBe(0)
    see(ended.stdout).toContain('Set TIDEMARK_S3_IF_MATCH=unquoted')
  })

  test.concurrent('a store that has no conditional writes at all is refused in its words, exit 1', async ({
    expect: see,
  }) => {
    const proxy = await startFaultProxy(minio.endpoint)
    const answer = s3Error(501, 'NotImplemented')
    proxy.setPlan(({ headers }) => (headers.has('if-none-match') ? { fault: 'answer', answer } : undefined))
    const ended = await doctor(['--bucket', 's3://tidemark'], s3Env(proxy.origin, minio.keys))
    await proxy.close()
    await see(written(ended)).toMatchFileSnapshot('golden/not-implemented.txt')
  })

  test.concurrent('a wrong secret is no fault of the store, exit 2', async ({ expect: see }) => {
    const wrong = { ...minio.keys, secretAccessKey: 'wrong' }
    const ended = await doctor(['--bucket', 's3://tidemark'], s3Env(minio.endpoint, wrong))
    await see(written(ended)).toMatchFileSnapshot('golden/wrong-secret.txt')
  })

  test.concurrent('a bucket that is not there, exit 2', async ({ expect: see }) => {
    const ended = await doctor(['--bucket', 's3://nowhere'], env())
    await see(written(ended)).toMatchFileSnapshot('golden/no-such-bucket.txt')
  })

  test.concurrent('a key that may only read, exit 2', async ({ expect: see }) => {
    const read_only = await minio.keysWith({
      Version: '2012-10-17',
      Statement: [
        { Effect: 'Allow', Action: ['s3:GetObject', 's3:ListBucket'], Resource: ['arn:aws:s3:::*'] },
      ],
    })
    const ended = await doctor(['--bucket', 's3://tidemark'], s3Env(minio.endpoint, read_only))
    await see(written(ended)).toMatchFileSnapshot('golden/read-only.txt')
  })
})

describe('over Cloud Storage', () => {
  let fake: GcsFake
  let gateway: GcsGateway
  beforeAll(async () => {
    fake = await startGcsFake()
    gateway = await startGcsGateway(fake.endpoint)
  })
  afterAll(async () => {
    await gateway.close()
    await fake.stop()
  })

  test.concurrent('a bucket that honours its conditions is certified, exit 0', async ({ expect: see }) => {
    const ended = await doctor(['--bucket', 'gs://tidemark'], { STORAGE_EMULATOR_HOST: fake.endpoint })
    await see(written(ended)).toMatchFileSnapshot('golden/gcs.txt')
  })

  test.concurrent('a gateway that drops ifGenerationMatch is refused in the words of that API, exit 1', async ({
    expect: see,
  }) => {
    const env = { STORAGE_EMULATOR_HOST: gateway.endpoint('ignores_replace') }
    const ended = await doctor(['--bucket', 'gs://tidemark'], env)
    await see(written(ended)).toMatchFileSnapshot('golden/gcs-ignores-replace.txt')
  })

  test.concurrent('a bucket that is not there, exit 2', async ({ expect: see }) => {
    const ended = await doctor(['--bucket', 'gs://nowhere'], { STORAGE_EMULATOR_HOST: fake.endpoint })
    see(ended.code).toBe(2)
    see(ended.stdout).toContain('misconfigured: the store cannot serve this bucket: 404 noSuchBucket')
  })
})

describe('without a store', () => {
  test.concurrent('one that does not answer, exit 2', async ({ expect: see }) => {
    const keys = { accessKeyId: 'any', secretAccessKey: 'any' }
    const ended = await doctor(
      ['--bucket', 's3://tidemark'],
      s3Env(`http://127.0.0.1:${await deadPort()}`, keys),
    )
    await see(written(ended)).toMatchFileSnapshot('golden/unreachable.txt')
  })

  test.concurrent('one that does not answer, --json: one object, exit 2', async ({ expect: see }) => {
    const env = { STORAGE_EMULATOR_HOST: `127.0.0.1:${await deadPort()}` }
    const ended = await doctor(['--bucket', 'gs://tidemark', '--json'], env)
    see(ended.code).toBe(2)
    see(JSON.parse(ended.stdout)).toMatchObject({
      bucket: 'gs://tidemark',
      conclusion: 'undecided',
      certified: false,
    })
  })

  test.concurrent.for([
    { name: 's3', args: ['--bucket', 's3://tidemark'], env: { AWS_REGION: 'us-east-1' } },
    {
      name: 's3 without a region',
      args: ['--bucket', 's3://tidemark'],
      env: { AWS_ACCESS_KEY_ID: 'a', AWS_SECRET_ACCESS_KEY: 'b' },
    },
    { name: 'gcs', args: ['--bucket', 'gs://tidemark'], env: {} },
  ])('no credentials for $name, exit 2', async ({ name, args, env }, { expect: see }) => {
    const ended = await doctor(args, env)
    await see(written(ended)).toMatchFileSnapshot(`golden/no-credentials-${name.replaceAll(' ', '-')}.txt`)
  })

  test.concurrent.each(['memory:', 'file:/tmp/tidemark-doctor'])(
    '%s needs no certification, exit 0',
    async (bucket) => {
      const ended = await doctor(['--bucket', bucket])
      expect({ code: ended.code, stderr: ended.stderr }).toEqual({ code: 0, stderr: '' })
      expect(ended.stdout).toContain('needs no certification: its driver is certified by its tests.')
      const json = await doctor(['--bucket', bucket, '--json'])
      expect(JSON.parse(json.stdout)).toEqual({ bucket, conclusion: 'certified', certified: true, steps: [] })
    },
  )

  test.concurrent.each([
    { args: [], says: "required option '--bucket <url>' not specified" },
    { args: ['--bucket', 'ftp://x'], says: '--bucket: expected file:DIR, memory:, gs://BUCKET, s3://BUCKET' },
    { args: ['--bucket', 'r2:BUCKET'], says: 'an R2 binding exists on Workers only' },
    { args: ['--bucket', 'memory:', '--fast'], says: "unknown option '--fast'" },
  ])('$args is a mistake of the caller, exit 2', async ({ args, says }) => {
    const ended = await doctor(args)
    expect({ code: ended.code, stdout: ended.stdout }).toEqual({ code: 2, stdout: '' })
    expect(ended.stderr).toContain(says)
  })

  test('--help, exit 0', async () => {
    const ended = await doctor(['--help'])
    await expect(written(ended)).toMatchFileSnapshot('golden/help.txt')
  })
})
