/** GET /version: what is running (spec/http-api.md 7). Unknown values are "unknown". */
import { json } from './handler.ts'

/** What the build and the platform say about themselves. */
export interface VersionInfo {
  readonly packageVersion: string
  readonly codeVersion: string
  readonly gitSha: string
  readonly image: string
  readonly cloudRunRevision: string
}

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
  return async () => json({ service: 'tidemark', ...version })
}
