/** A real MinIO on a free loopback port over a temporary folder, with one bucket. */
import { existsSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { AwsClient } from 'aws4fetch'
import { freePort, serverBinary, startServerBinary, type ServerRun } from './binaries.ts'

/** Credentials as both S3 drivers take them. */
export interface S3Keys {
  readonly accessKeyId: string
  readonly secretAccessKey: string
  readonly sessionToken?: string
}

/** An S3 service under test. */
export interface S3Server {
  /** `http://127.0.0.1:PORT`, or with a path where the service has one. */
  readonly endpoint: string
  readonly region: string
  readonly bucket: string
  readonly keys: S3Keys
  stop(): Promise<void>
}

/** A MinIO that runs; can be killed and started again over what it has stored. */
export interface Minio extends S3Server {
  /** SIGKILL. */
  kill(): Promise<void>
  /** Start again on the same port and folder. */
  start(): Promise<void>
  /** Temporary keys that may do what `policy` says and no more (STS AssumeRole). */
  keysWith(policy: unknown): Promise<S3Keys>
}

const KEYS: S3Keys = { accessKeyId: 'tidemark-root', secretAccessKey: 'tidemark-root-secret' }
const REGION = 'us-east-1'

/** MinIO syncs every write; in memory that costs nothing. */
const PARENT = existsSync('/dev/shm') ? '/dev/shm' : tmpdir()

/** Start one. Fails where it is not installed: ask `whyNot('minio')` first. */
export async function startMinio(bucket = 'tidemark'): Promise<Minio> {
  const binary = serverBinary('minio')
  if (binary === null) throw new Error('MinIO is not installed')
  const folder = mkdtempSync(join(PARENT, 'tidemark-minio-'))
  const port = await freePort()
  const endpoint = `http://127.0.0.1:${port}`
  const client = new AwsClient({ ...KEYS, region: REGION, service: 's3', retries: 0 })
  let run: ServerRun | null = null

  async function start(): Promise<void> {
    run = await startServerBinary(
      binary ?? '',
      ['server', '--address', `127.0.0.1:${port}`, '--quiet', folder],
      {
        cwd: folder,
        env: {
          HOME: folder,
          MINIO_ROOT_USER: KEYS.accessKeyId,
          MINIO_ROOT_PASSWORD: KEYS.secretAccessKey,
          MINIO_BROWSER: 'off',
          MINIO_UPDATE: 'off',
          MINIO_REGION: REGION,
        },
        // /minio/health/ready is 200 a moment before requests for objects are anything but 503.
        isReady: async () =>
          (await client.fetch(`${endpoint}/${bucket}/ready`, { method: 'HEAD' })).status < 500,
      },
    )
  }

  async function kill(): Promise<void> {
    await run?.kill()
    run = null
  }

  await start()
  await createBucket({ endpoint, bucket, keys: KEYS })
  return {
    endpoint,
    region: REGION,
    bucket,
    keys: KEYS,
    start,
    kill,
    async stop() {
      await kill()
      rmSync(folder, { recursive: true, force: true })
    },
    keysWith: async (policy) => assumeRole(endpoint, policy),
  }
}

async function createBucket({
  endpoint,
  bucket,
  keys,
}: Pick<S3Server, 'endpoint' | 'bucket' | 'keys'>): Promise<void> {
  const client = new AwsClient({ ...keys, service: 's3', region: REGION })
  const response = await client.fetch(`${endpoint}/${bucket}`, { method: 'PUT' })
  if (!response.ok) throw new Error(`no bucket: ${response.status} ${await response.text()}`)
}

async function assumeRole(endpoint: string, policy: unknown): Promise<S3Keys> {
  const client = new AwsClient({ ...KEYS, service: 'sts', region: REGION })
  const body = new URLSearchParams({
    Action: 'AssumeRole',
    Version: '2011-06-15',
    DurationSeconds: '3600',
    Policy: JSON.stringify(policy),
  }).toString()
  const response = await client.fetch(endpoint, {
    method: 'POST',
    body,
    headers: { 'content-type': 'application/x-www-form-urlencoded' },
  })
  const text = await response.text()
  const member = (name: string): string => new RegExp(`<${name}>([^<]+)</${name}>`).exec(text)?.[1] ?? ''
  if (!response.ok) throw new Error(`no temporary keys: ${response.status} ${text}`)
  return {
    accessKeyId: member('AccessKeyId'),
    secretAccessKey: member('SecretAccessKey'),
    sessionToken: member('SessionToken'),
  }
}
