/** Which bucket a deployment uses, from `ARCO_STORAGE_BUCKET` (decisions.md, Configuration). Pure. */

/** A bucket by the service that holds it. */
export type Bucket =
  | { readonly kind: 'file'; readonly dir: string }
  | { readonly kind: 'memory' }
  | { readonly kind: 'gcs'; readonly bucket: string }
  | { readonly kind: 's3'; readonly bucket: string }
  | { readonly kind: 'r2'; readonly binding: string }

/** What `parseBucket` accepts, for messages. */
export const BUCKET_FORMS =
  'file:DIR, memory:, gs://BUCKET, s3://BUCKET, r2:BINDING (Workers) or a bare GCS bucket name'

const BUCKET_NAME = /^[a-z0-9][a-z0-9._-]{1,220}[a-z0-9]$/

/** The bucket that the text names, or null. */
export function parseBucket(text: string): Bucket | null {
  if (text === 'memory:') return { kind: 'memory' }
  const [, scheme = '', rest = ''] = /^(file:|r2:|gs:\/\/|s3:\/\/)(.+)$/.exec(text) ?? []
  switch (scheme) {
    case 'file:':
      return { kind: 'file', dir: rest }
    case 'r2:':
      return /^[A-Za-z_][A-Za-z0-9_]*$/.test(rest) ? { kind: 'r2', binding: rest } : null
    case 'gs://':
      return named('gcs', rest)
    case 's3://':
      return named('s3', rest)
  }
  return named('gcs', text)
}

function named(kind: 'gcs' | 's3', name: string): Bucket | null {
  const bucket = name.replace(/\/$/, '')
  return BUCKET_NAME.test(bucket) ? { kind, bucket } : null
}

/** The scheme and authority that a table's location must have to lie in this bucket (spec/storage.md 3.4). */
export function bucketName(bucket: Bucket): { readonly scheme: string; readonly authority: string } {
  switch (bucket.kind) {
    case 'gcs':
      return { scheme: 'gs', authority: bucket.bucket }
    case 's3':
      return { scheme: 's3', authority: bucket.bucket }
    case 'r2':
      return { scheme: 'r2', authority: bucket.binding }
    case 'file':
    case 'memory':
      return { scheme: bucket.kind, authority: '' }
  }
}

/** How the bucket is written for people. */
export function bucketText(bucket: Bucket): string {
  switch (bucket.kind) {
    case 'file':
      return `folder ${bucket.dir}`
    case 'memory':
      return 'memory (gone when this process ends)'
    case 'gcs':
      return `gs://${bucket.bucket}`
    case 's3':
      return `s3://${bucket.bucket}`
    case 'r2':
      return `R2 binding ${bucket.binding}`
  }
}
