/**
 * Which driver is held to the contract over which server, and which rows do not apply there and why: what docs/stores.md
 * is made of, and what the contract tests run.
 */
import { whyNot } from './servers/binaries.ts'
import type { ContractOptions } from './store-contract.ts'

/** One column of the table. */
export interface StoreColumn extends ContractOptions {
  readonly driver: string
  readonly server: string
  readonly not_applicable: Readonly<Record<string, string>>
}

const LISTS_IN_ORDER = { 'ST-32': 'the service lists in order' }

/** Rows of real services, on stores that are part of Tidemark. */
const NO_SERVICE = {
  ...LISTS_IN_ORDER,
  '304': 'does not speak HTTP',
  'PV-01': 'certified by this suite, not at run time',
  'PV-02': 'certified by this suite, not at run time',
  'PV-03': 'certified by this suite, not at run time',
  'PV-04': 'no ETags on a wire',
  'PV-09': 'no status codes; a conflict as such is ST-24',
  'PV-12': 'no answer without a token',
  'PV-13': 'no status codes',
  'PV-14': 'no status codes',
  'PV-15': 'no wire',
  'PV-19': 'not the R2 binding',
  'PV-20': 'no credentials',
}

const S3 = { ...LISTS_IN_ORDER, 'PV-19': 'not the R2 binding' }

const GCS = {
  ...LISTS_IN_ORDER,
  'PV-04': 'generations are numbers, there is nothing to quote',
  'PV-15': 'Cloud Storage has no aws-chunked; the body is one part of a multipart request',
  'PV-19': 'not the R2 binding',
}

const R2 = {
  ...LISTS_IN_ORDER,
  '304': 'a binding has no status codes',
  'ST-24': 'a binding has no conflict; its rate limit is ST-23',
  'PV-04': 'a binding takes bare ETags only',
  'PV-09': 'a binding has no conflict',
  'PV-12': 'a binding returns objects, which have their ETag and size',
  'PV-13': 'a binding has no status codes; its error codes are in binding.test.ts',
  'PV-14': 'a binding has no status codes; its error codes are in binding.test.ts',
  'PV-15': 'a binding takes bytes',
  'PV-20': 'a binding has no credentials',
}

/** In the order of docs/stores.md. */
export const STORE_COLUMNS = {
  memory: { driver: 'memory.ts', server: 'nothing', not_applicable: NO_SERVICE },
  folder: { driver: 'fs.ts', server: 'a folder', not_applicable: NO_SERVICE },
  s3_minio: {
    driver: 's3.ts (AWS SDK)',
    server: 'MinIO',
    has_content_tokens: true,
    not_applicable: S3,
    skipped: whyNot('minio'),
  },
  s3_fetch_minio: {
    driver: 's3-fetch.ts',
    server: 'MinIO',
    has_content_tokens: true,
    not_applicable: S3,
    skipped: whyNot('minio'),
  },
  s3_r2: {
    driver: 's3.ts (AWS SDK)',
    server: 'R2 S3 wire (miniflare)',
    has_content_tokens: true,
    not_applicable: S3,
  },
  s3_fetch_r2: {
    driver: 's3-fetch.ts',
    server: 'R2 S3 wire (miniflare)',
    has_content_tokens: true,
    not_applicable: S3,
  },
  gcs_server: {
    driver: 'gcs.ts (Google SDK)',
    server: 'fake-gcs-server',
    not_applicable: GCS,
    skipped: whyNot('fake-gcs-server'),
  },
  gcs_fetch_server: {
    driver: 'gcs-fetch.ts',
    server: 'fake-gcs-server',
    not_applicable: GCS,
    skipped: whyNot('fake-gcs-server'),
  },
  gcs_fake: { driver: 'gcs.ts (Google SDK)', server: 'strict GCS fake', not_applicable: GCS },
  gcs_fetch_fake: { driver: 'gcs-fetch.ts', server: 'strict GCS fake', not_applicable: GCS },
  r2: {
    driver: 'r2.ts',
    server: 'R2 binding in workerd',
    has_content_conditions: true,
    not_applicable: R2,
  },
} satisfies Record<string, StoreColumn>

/** `s3_minio`, … */
export type StoreColumnId = keyof typeof STORE_COLUMNS

/** The name of a column's tests. */
export function columnName(id: StoreColumnId): string {
  const { driver, server } = STORE_COLUMNS[id]
  return `${driver} × ${server}`
}
