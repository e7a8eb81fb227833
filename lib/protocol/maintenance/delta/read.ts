/** Reads of `verify`: an object that is absent, too large or unreadable is a value, because the look goes on without it. */
import { StoreError } from '../../../store/types.ts'
import { readable, type ReadAnswer } from '../../effects.ts'
import { allOf, type Maintenance } from '../effects.ts'
import type { TableFindings } from './findings.ts'

/** Largest object that is read whole, bytes: a checkpoint part, a commit, a file of deletion vectors. */
export const OBJECT_BYTES_MAX = 64 * 1024 * 1024

/** What a read came to; `unread` was reported as TM-901. */
export type ReadObject =
  | { readonly is: 'there'; readonly bytes: Uint8Array; readonly meta: Readonly<Record<string, string>> }
  | { readonly is: 'absent' }
  | { readonly is: 'unread' }

/** Read one object whole. A store that does not answer ends the look: the StoreError is thrown. */
export function* readObject(
  path: string,
  findings: TableFindings,
  bytes_max = OBJECT_BYTES_MAX,
): Maintenance<ReadObject> {
  const [answer] = yield* allOf([{ kind: 'get', path, bytes_max }])
  return toObject(path, answer, findings, bytes_max)
}

/** Read several objects together. */
export function* readObjects(
  paths: readonly string[],
  findings: TableFindings,
  bytes_max = OBJECT_BYTES_MAX,
): Maintenance<readonly ReadObject[]> {
  const answers = yield* allOf(paths.map((path) => ({ kind: 'get' as const, path, bytes_max })))
  return paths.map((path, index) => toObject(path, answers[index], findings, bytes_max))
}

function toObject(
  path: string,
  answer: ReadAnswer | undefined,
  findings: TableFindings,
  bytes_max: number,
): ReadObject {
  if (answer === undefined) return { is: 'absent' }
  try {
    const object = readable(answer)
    return object.outcome === 'ok'
      ? { is: 'there', bytes: object.bytes, meta: object.meta ?? {} }
      : { is: 'absent' }
  } catch (error) {
    if (!(error instanceof StoreError) || !UNREAD.has(error.code)) throw error
    findings.report('TM-901', {
      path,
      detail: `expected an object of at most ${bytes_max} bytes: ${error.code}`,
    })
    return { is: 'unread' }
  }
}

const UNREAD: ReadonlySet<string> = new Set(['too_large', 'corrupt', 'invalid_key'])
