/** R2's S3 wire as miniflare serves it: an S3 endpoint in front of the R2 that its Workers see, SigV4 checked. */
import { Miniflare } from 'miniflare'
import type { S3Server } from './minio.ts'

const KEYS = { accessKeyId: 'tidemark-r2', secretAccessKey: 'tidemark-r2-secret' }

/** Start one with an empty bucket in memory. */
export async function startMiniflareS3(bucket = 'tidemark'): Promise<S3Server> {
  const miniflare = new Miniflare({
    modules: true,
    script: 'export default { fetch: () => new Response(null, { status: 404 }) }',
    host: '127.0.0.1',
    port: 0,
    r2Buckets: { BUCKET: { id: bucket, s3Credentials: KEYS } },
  })
  const url = await miniflare.ready
  return {
    endpoint: `http://127.0.0.1:${url.port}/cdn-cgi/local/r2/s3`,
    region: 'auto',
    bucket,
    keys: KEYS,
    stop: async () => miniflare.dispose(),
  }
}
