/** Typed members of an action, read without losing a digit (DL-211); a `null` member counts as absent (DL-208). */
import { isIntegerLiteral, isJsonObject, NumberLiteral } from '../../json.ts'
import type { JsonObject, JsonValue } from '../../json.ts'
import type { FindingList } from './findings.ts'

type Presence = 'required' | 'optional'

const INT32_MAX = 2n ** 31n - 1n
const INT64_MAX = 2n ** 63n - 1n

/** One action, or an object inside one, on its line of the payload. Reports what is wrong under `rule`. */
export class Fields {
  /** What findings call it: `add`, `add.deletionVector`. */
  readonly name: string
  readonly rule: string
  readonly line: number
  readonly findings: FindingList
  private readonly members: JsonObject

  constructor(
    site: { name: string; rule: string; line: number; findings: FindingList },
    members: JsonObject,
  ) {
    this.name = site.name
    this.rule = site.rule
    this.line = site.line
    this.findings = site.findings
    this.members = members
  }

  error(detail: string, rule = this.rule): void {
    this.findings.error(rule, detail, this.line)
  }

  warn(rule: string, detail: string): void {
    this.findings.warn(rule, detail, this.line)
  }

  string(name: string, presence: Presence): string | undefined {
    const value = this.read(name, presence, 'a string')
    return typeof value === 'string' ? value : this.mistyped(name, value, 'a string')
  }

  bool(name: string, presence: Presence): boolean | undefined {
    const value = this.read(name, presence, 'true or false')
    return typeof value === 'boolean' ? value : this.mistyped(name, value, 'true or false')
  }

  int32(name: string, presence: Presence): bigint | undefined {
    return this.integer(name, presence, { what: 'a 32-bit integer', max: INT32_MAX })
  }

  int64(name: string, presence: Presence): bigint | undefined {
    return this.integer(name, presence, { what: 'a 64-bit integer', max: INT64_MAX })
  }

  strings(name: string, presence: Presence): string[] | undefined {
    const value = this.read(name, presence, 'a list of strings')
    if (Array.isArray(value) && value.every((item) => typeof item === 'string')) return value
    return this.mistyped(name, value, 'a list of strings')
  }

  /** String to string or null; a value of another type is reported under `valueRule`. */
  map(name: string, presence: Presence, valueRule = this.rule): JsonObject | undefined {
    const value = this.read(name, presence, 'an object')
    if (!isJsonObject(value)) return this.mistyped(name, value, 'an object')
    const wrong = Object.keys(value).some((key) => value[key] !== null && typeof value[key] !== 'string')
    if (wrong) this.error(`expected every value in ${this.name}.${name} to be a string or null`, valueRule)
    return value
  }

  /** An object inside this one, whose own findings are reported under `rule`. */
  nested(name: string, presence: Presence, rule = this.rule): Fields | undefined {
    const value = this.read(name, presence, 'an object')
    if (!isJsonObject(value)) return this.mistyped(name, value, 'an object', rule)
    return new Fields({ ...this.site(), name: `${this.name}.${name}`, rule }, value)
  }

  private integer(
    name: string,
    presence: Presence,
    { what, max }: { what: string; max: bigint },
  ): bigint | undefined {
    const integer = toBigInt(this.read(name, presence, what))
    if (integer !== undefined && integer <= max && integer >= -max - 1n) return integer
    return this.mistyped(name, this.members[name], what)
  }

  private read(name: string, presence: Presence, what: string): JsonValue | undefined {
    const value = this.members[name] ?? undefined
    if (value === undefined && presence === 'required') {
      this.error(`${this.name}.${name} is required: expected ${what}, saw nothing`)
    }
    return value
  }

  private mistyped(name: string, value: JsonValue | undefined, what: string, rule = this.rule): undefined {
    if (value === undefined || value === null) return
    this.error(`expected ${this.name}.${name} to be ${what}, saw ${typeWord(value)}`, rule)
  }

  private site(): { name: string; rule: string; line: number; findings: FindingList } {
    return { name: this.name, rule: this.rule, line: this.line, findings: this.findings }
  }
}

/** The integer that a value is, of any size; undefined for everything else, `1.0` and `1e3` included. */
export function toBigInt(value: JsonValue | undefined): bigint | undefined {
  if (typeof value === 'number') return BigInt(value)
  return value instanceof NumberLiteral && isIntegerLiteral(value) ? BigInt(value.text) : undefined
}

/** What a value is, for a message; never its text. */
export function typeWord(value: JsonValue): string {
  if (value === null) return 'null'
  if (Array.isArray(value)) return 'an array'
  if (isJsonObject(value)) return 'an object'
  if (value instanceof NumberLiteral) return 'a number that does not fit'
  return `a ${typeof value}`
}
