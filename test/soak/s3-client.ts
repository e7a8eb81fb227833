/** Three signed requests of the S3 API, for tools of the soak that must not use the drivers under test. */
import { AwsClient } from 'aws4fetch'

/** Where the bucket is, and who asks. */
export interface S3ClientOptions {
  readonly endpoint: string
  readonly region: string
  readonly bucket: string
  readonly accessKeyId: string
  readonly secretAccessKey: string
}

/** What the tools need. */
export interface S3Client {
  /** False when the service did not take it, or cannot be reached. */
  put(key: string, bytes: Uint8Array): Promise<boolean>
  get(key: string): Promise<Uint8Array>
  /** Every key of the bucket. */
  keys(): Promise<readonly string[]>
}

/** Make one. */
export function s3Client({ endpoint, region, bucket, ...keys }: S3ClientOptions): S3Client {
  const client = new AwsClient({ ...keys, region, service: 's3', retries: 0 })
  const urlOf = (key: string): string =>
    `${endpoint}/${bucket}/${key.split('/').map(encodeURIComponent).join('/')}`

  async function ask(url: string): Promise<Response> {
    const response = await client.fetch(url)
    if (!response.ok) throw new Error(`${url}: ${response.status} ${await response.text()}`)
    return response
  }

  return {
    async put(key, bytes) {
      try {
        const response = await client.fetch(urlOf(key), { method: 'PUT', body: bytes.slice() })
        await response.arrayBuffer()
        return response.ok
      } catch {
        return false
      }
    },
    get: async (key) => new Uint8Array(await (await ask(urlOf(key))).arrayBuffer()),
    async keys() {
      const found: string[] = []
      for (let token: string | null = ''; token !== null;) {
        const query: string = token === '' ? '' : `&continuation-token=${encodeURIComponent(token)}`
        const page = await (await ask(`${endpoint}/${bucket}?list-type=2${query}`)).text()
        found.push(...Array.from(page.matchAll(/<Key>([^<]+)<\/Key>/g), ([, key = '']) => key))
        token = /<NextContinuationToken>([^<]+)</.exec(page)?.[1] ?? null
      }
      return found
    },
  }
}
