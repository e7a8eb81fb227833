/** GET /version: what is running (spec/http-api.md 7). Unknown values are "unknown". */
import * as z from 'zod'
import { json } from './handler.ts'

/** What it answers. */
export const Version = z.object({
  service: z.literal('tidemark'),
  packageVersion: z.string(),
  codeVersion: z.string(),
  gitSha: z.string(),
  image: z.string(),
  cloudRunRevision: z.string(),
})

/** What the build and the platform say about themselves. */
export type VersionInfo = Readonly<Omit<z.infer<typeof Version>, 'service'>>

/** A process that knows nothing about itself. */
export const UNKNOWN_VERSION: VersionInfo = {
  packageVersion: 'unknown',
  codeVersion: 'unknown',
  gitSha: 'unknown',
  image: 'unknown',
  cloudRunRevision: 'unknown',
}

/** Answers the same for the life of the process. */
export function versionHandler(version: VersionInfo): () => Promise<Response> {
  return async () => json({ service: 'tidemark', ...version } satisfies z.infer<typeof Version>)
}
