/**
 * An app that its first request makes, for runtimes that may do nothing before one comes. Where it cannot be made, the
 * request gets a problem like any other refusal, the log the cause, and the next request tries again.
 */
import { StoreError } from '../../lib/store/types.ts'
import type { App } from '../app.ts'
import { freshUlid } from '../environment.ts'
import { createLog } from '../logging.ts'
import type { Tracer } from '../tracing.ts'
import { problemResponse, type Problem } from '../problem.ts'
import { ConfigError, type Config } from '../config.ts'
import { INTERNAL } from '../unexpected.ts'

/** A service that runs: the app, and what its entry file has to ask of the configuration. */
export interface Started {
  readonly app: App
  readonly config: Config
  /** Its spans are sent before the answer, where nothing may be left for later. */
  readonly tracer?: Tracer | null
}

/** How it is made, and where its log goes before it has one. */
export interface OnDemand<E> {
  start(environment: E): Promise<Started>
  write(line: string): void
}

/** Hands out the one service of this process, or the answer to a request that has to do without. */
export function onDemand<E>({ start, write }: OnDemand<E>): (environment: E) => Promise<Started | Response> {
  let started: Promise<Started> | null = null
  return async (environment) => {
    started ??= start(environment)
    const mine = started
    try {
      return await mine
    } catch (error) {
      // Several requests may have waited for the same start: only the first one to see it fail clears the way.
      if (started === mine) started = null
      return notStarted(error, write)
    }
  }
}

const STORE_DOWN: Problem = {
  reason: 'storage_unavailable',
  detail: 'the store did not answer and nothing was written; send the identical request again',
}

function notStarted(error: unknown, write: (line: string) => void): Response {
  const request_id = freshUlid()
  const log = createLog({ format: 'json', write })
  // A line of its own each: long ones are cut.
  const errors = error instanceof ConfigError ? error.problems.map((text) => new Error(text)) : [error]
  for (const each of errors) log.failure(request_id, each)
  const is_down = error instanceof StoreError && error.code === 'unavailable'
  const response = problemResponse(is_down ? STORE_DOWN : INTERNAL, { request_id })
  response.headers.set('x-request-id', request_id)
  response.headers.set('cache-control', 'no-store')
  return response
}
