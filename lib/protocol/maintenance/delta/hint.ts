/** The checkpoint hint `_last_checkpoint` (spec/delta-log-rules.md 9). */
import { checkpointHintPath } from '../../paths.ts'
import { compareKeys } from '../../../store/keys.ts'
import { toBigInt } from '../../delta/payload/fields.ts'
import {
  isJsonObject,
  JsonError,
  NumberLiteral,
  parseJson,
  type JsonObject,
  type JsonValue,
} from '../../json.ts'
import { CLIENT_LIMITS } from '../../delta/payload/limits.ts'
import { quoted } from '../../delta/payload/findings.ts'
import type { TableFindings, TableRuleId } from './findings.ts'
import { md5 } from './md5.ts'
import { isComplete, latestVersion, type LogSurvey } from './survey.ts'

/** Report what the hint says wrong. */
export function checkHint(bytes: Uint8Array, survey: LogSurvey, findings: TableFindings): void {
  const report = (rule: TableRuleId, detail: string): void =>
    findings.report(rule, { path: checkpointHintPath(survey.root), detail })
  const hint = parse(bytes, report)
  if (hint === null) return
  const version = toBigInt(hint['version'])
  if (version === undefined) return report('DL-901', 'expected an integer version, saw none')
  const { checksum } = hint
  if (typeof checksum === 'string' && checksum.toLowerCase() !== hintChecksum(hint)) {
    report('DL-904', 'expected the MD5 of the other members as checksum, saw another')
  }
  const latest = latestVersion(survey)
  if (version > BigInt(latest)) return report('DL-903', `expected a version up to ${latest}, saw ${version}`)
  checkTarget(hint, Number(version), survey, report)
}

function parse(bytes: Uint8Array, report: (rule: TableRuleId, detail: string) => void): JsonObject | null {
  try {
    const value = parseJson(bytes, { ...CLIENT_LIMITS, forbid_lone_surrogates: true })
    if (isJsonObject(value)) return value
    report('DL-901', 'expected a JSON object')
  } catch (error) {
    if (!(error instanceof JsonError)) throw error
    report('DL-901', error.message)
  }
  return null
}

function checkTarget(
  hint: JsonObject,
  version: number,
  { checkpoints, root }: LogSurvey,
  report: (rule: TableRuleId, detail: string) => void,
): void {
  const at = checkpoints.filter((checkpoint) => checkpoint.version === version)
  const parts = toBigInt(hint['parts'])
  const named = isJsonObject(hint['v2Checkpoint']) ? hint['v2Checkpoint']['path'] : undefined
  if (typeof named === 'string') {
    const path = named.includes('/') ? named : `${root}/_delta_log/${named}`
    if (at.some(({ files }) => files.some((file) => path === file.path || path.endsWith(`/${file.path}`))))
      return
    return report('DL-902', `expected checkpoint ${quoted(named)}, saw none`)
  }
  const found = at.some(
    (checkpoint) =>
      isComplete(checkpoint) &&
      (parts === undefined ? checkpoint.kind !== 'parts' : BigInt(checkpoint.parts) === parts),
  )
  if (!found) {
    const what = parts === undefined ? 'a checkpoint' : `a checkpoint in ${parts} parts`
    report('DL-902', `expected ${what} at version ${version}, saw ${at.length === 0 ? 'none' : 'another'}`)
  }
}

/** MD5 of the canonical text: leaves as `path=value`, sorted by the bytes of the path, joined by commas. */
export function hintChecksum(hint: JsonObject): string {
  const { checksum: _own, ...rest } = hint
  const leaves = [...leavesOf(rest, [])].toSorted(([a], [b]) => compareKeys(a, b))
  return md5(new TextEncoder().encode(leaves.map(([path, value]) => `${path}=${value}`).join(',')))
}

function* leavesOf(value: JsonValue, path: readonly string[]): Generator<readonly [string, string]> {
  if (Array.isArray(value)) {
    for (const [index, item] of value.entries()) yield* leavesOf(item, [...path, String(index)])
  } else if (isJsonObject(value)) {
    for (const [name, member] of Object.entries(value)) yield* leavesOf(member, [...path, text(name)])
  } else yield [path.join('+'), leaf(value)]
}

function leaf(value: JsonValue): string {
  if (value instanceof NumberLiteral) return value.text
  return typeof value === 'string' ? text(value) : JSON.stringify(value)
}

/** Every byte but the unreserved characters is percent-encoded; `encodeURIComponent` leaves five more alone. */
function text(value: string): string {
  const encoded = encodeURIComponent(value).replaceAll(
    /[!'()*]/g,
    (char) => `%${char.charCodeAt(0).toString(16).toUpperCase()}`,
  )
  return `"${encoded}"`
}
