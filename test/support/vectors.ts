/** The golden vectors that Arco wrote (../shared/vectors), read losslessly. */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { gunzipSync } from 'node:zlib'
import { parseJson } from '../../lib/protocol/json.ts'
import type { JsonValue } from '../../lib/protocol/json.ts'
import { SHARED } from './workspace.ts'

/** The lines of `NAME.jsonl.gz`, each a JSON value with every digit of its numbers. */
export function readVectors(name: string): JsonValue[] {
  const text = gunzipSync(readFileSync(join(SHARED, 'vectors', `${name}.jsonl.gz`))).toString('utf8')
  return text
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => parseJson(line, { depth_max: 200, forbid_proto: false }))
}

/** A vector file that is one JSON value. */
export function readVector(name: string): JsonValue {
  return parseJson(readFileSync(join(SHARED, 'vectors', name)))
}
