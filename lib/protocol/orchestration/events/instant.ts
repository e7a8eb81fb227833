/**
 * Points in time as events carry them (spec/events.md 2.3): nanoseconds since 1970 in UTC, as a `bigint`. Equality
 * and maximum are decided at this precision; what is stored is floored to milliseconds (spec/projections.md 6).
 */

/** Nanoseconds since 1970-01-01T00:00:00Z; negative before. */
export type Instant = bigint

/** One day, ms. */
export const DAY_MS = 86_400_000

const NS_PER_MS = 1_000_000n
const NS_PER_SECOND = 1_000_000_000n

/** -262143-01-01T00:00:00Z, the first second that the reference can represent. */
const SECOND_MIN = -8_334_601_228_800
/** +262142-12-31T23:59:59Z, the last one. */
const SECOND_MAX = 8_210_266_876_799

/** +262142-12-31T23:59:59.999999999Z. */
export const INSTANT_MAX: Instant = BigInt(SECOND_MAX) * NS_PER_SECOND + 999_999_999n

const MINUS = 0x2d
const PERIOD = 0x2e
const ZERO = 0x30
const COLON = 0x3a
const UPPER_T = 0x54
const UPPER_Z = 0x5a

const BLANK = String.raw`[\t-\r \x85\xa0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000]`

/**
 * Every form that the reference reads: RFC 3339, and that relaxed by a space or `t` for `T`, blanks between parts,
 * single digits, `UTC` for `Z`, an offset without its colon or with U+2212 for a minus, and years with a sign.
 */
const RELAXED = new RegExp(
  [
    `^${BLANK}*([+-][0-9]+|[0-9]{1,4})${BLANK}*-`,
    `${BLANK}*([0-9]{1,2})${BLANK}*-${BLANK}*([0-9]{1,2})[tT ]`,
    `${BLANK}*([0-9]{1,2})${BLANK}*:${BLANK}*([0-9]{1,2})${BLANK}*:${BLANK}*([0-9]{1,2})`,
    `(?:\\.([0-9]+))?${BLANK}*`,
    `(?:[zZ]|[uU][tT][cC]|([+\u2212-])([0-9]{2})(?::|${BLANK})*([0-5][0-9]))${BLANK}*$`,
  ].join(''),
)

/** Date and time of day as written, the offset not yet taken off. */
interface Clock {
  readonly year: number
  readonly month: number
  readonly day: number
  readonly hour: number
  readonly minute: number
  readonly second: number
}

/**
 * Read a timestamp, or null when it is none. Digits after the ninth of a fraction are dropped. A leap second counts
 * as the second after it, which is where the reference stores it.
 */
export function parseInstant(text: string): Instant | null {
  const plain = readPlain(text)
  if (plain !== null) return instantOf(plain, text.slice(20, -1), 0)
  const relaxed = RELAXED.exec(text)
  if (relaxed === null) return null
  const offset_s = Number(relaxed[9] ?? 0) * 3600 + Number(relaxed[10] ?? 0) * 60
  if (offset_s >= 86_400) return null
  return instantOf(readRelaxed(relaxed), relaxed[7] ?? '', relaxed[8] === '+' ? offset_s : -offset_s)
}

/** The shortest of 0, 3, 6 or 9 fraction digits that loses nothing, always `Z`; a sign outside the years 0–9999. */
export function formatInstant(instant: Instant): string {
  const nanos = floorModulo(instant, NS_PER_SECOND)
  const seconds = Number((instant - nanos) / NS_PER_SECOND)
  const fraction = String(nanos)
    .padStart(9, '0')
    .replace(/(?:000){1,3}$/, '')
  return `${formatSeconds(seconds)}${fraction === '' ? '' : `.${fraction}`}Z`
}

/** UTC calendar date, `YYYY-MM-DD`; a year above 9999 gets a sign and is no date of a ledger path any more. */
export function formatDate(instant: Instant): string {
  const seconds = Number((instant - floorModulo(instant, NS_PER_SECOND)) / NS_PER_SECOND)
  return formatSeconds(seconds).replace(/T.*$/, '')
}

/** Epoch milliseconds, rounded towards the past: what is stored. */
export function floorMs(instant: Instant): number {
  return Number((instant - floorModulo(instant, NS_PER_MS)) / NS_PER_MS)
}

/** The instant of whole epoch milliseconds. */
export function fromMs(epoch_ms: number): Instant {
  return BigInt(epoch_ms) * NS_PER_MS
}

/** The instant of whole epoch seconds, or null outside the representable range. */
export function fromSeconds(epoch_s: bigint): Instant | null {
  if (epoch_s < BigInt(SECOND_MIN) || epoch_s > BigInt(SECOND_MAX)) return null
  return epoch_s * NS_PER_SECOND
}

/** `seconds` later, or null beyond the last representable instant. */
export function addSeconds(instant: Instant, seconds: number): Instant | null {
  const later = instant + BigInt(seconds) * NS_PER_SECOND
  return later > INSTANT_MAX ? null : later
}

/** The form that is written, `2026-01-02T03:04:05[.fraction]Z`, read without the regular expression's cost. */
function readPlain(text: string): Clock | null {
  if (!hasPlainMarks(text)) return null
  const clock = {
    year: digits(text, 0, 4),
    month: digits(text, 5, 7),
    day: digits(text, 8, 10),
    hour: digits(text, 11, 13),
    minute: digits(text, 14, 16),
    second: digits(text, 17, 19),
  }
  const all =
    clock.year +
    clock.month +
    clock.day +
    clock.hour +
    clock.minute +
    clock.second +
    digits(text, 20, text.length - 1)
  return Number.isNaN(all) ? null : clock
}

function hasPlainMarks(text: string): boolean {
  return (
    text.charCodeAt(4) === MINUS &&
    text.charCodeAt(7) === MINUS &&
    text.charCodeAt(10) === UPPER_T &&
    text.charCodeAt(13) === COLON &&
    text.charCodeAt(16) === COLON &&
    text.charCodeAt(text.length - 1) === UPPER_Z &&
    (text.length === 20 || (text.length > 21 && text.charCodeAt(19) === PERIOD))
  )
}

/** The number at `[from, to)`; NaN when anything there is not a digit. Long fractions only tell whether they are. */
function digits(text: string, from: number, to: number): number {
  let value = 0
  for (let at = from; at < to; at += 1) {
    const digit = text.charCodeAt(at) - ZERO
    if (digit < 0 || digit > 9) return Number.NaN
    value = value * 10 + digit
  }
  return value
}

function readRelaxed(match: RegExpExecArray): Clock {
  return {
    year: Number(match[1]),
    month: Number(match[2]),
    day: Number(match[3]),
    hour: Number(match[4]),
    minute: Number(match[5]),
    second: Number(match[6]),
  }
}

function instantOf(clock: Clock, fraction: string, offset_s: number): Instant | null {
  if (!isTimeOfDay(clock) || !isDate(clock)) return null
  const seconds =
    daysFromCivil(clock.year, clock.month, clock.day) * 86_400 +
    clock.hour * 3600 +
    clock.minute * 60 +
    clock.second -
    offset_s
  if (seconds < SECOND_MIN || seconds > SECOND_MAX) return null
  const nanos = fraction === '' ? 0 : Number(fraction.slice(0, 9).padEnd(9, '0'))
  return BigInt(seconds) * NS_PER_SECOND + BigInt(nanos)
}

function isTimeOfDay({ hour, minute, second }: Clock): boolean {
  return hour <= 23 && minute <= 59 && second <= 60
}

function isDate({ year, month, day }: Clock): boolean {
  if (year < -262_143 || year > 262_142 || month < 1 || month > 12 || day < 1) return false
  return day <= daysInMonth(year, month)
}

function daysInMonth(year: number, month: number): number {
  if (month === 2) return isLeapYear(year) ? 29 : 28
  return month === 4 || month === 6 || month === 9 || month === 11 ? 30 : 31
}

function isLeapYear(year: number): boolean {
  return year % 4 === 0 && (year % 100 !== 0 || year % 400 === 0)
}

/** Days since 1970-01-01 in the proleptic Gregorian calendar, counted in 400-year eras that begin on 1 March. */
function daysFromCivil(year: number, month: number, day: number): number {
  const march_year = month <= 2 ? year - 1 : year
  const era = Math.floor(march_year / 400)
  const year_of_era = march_year - era * 400
  const day_of_year = Math.floor((153 * ((month + 9) % 12) + 2) / 5) + day - 1
  const day_of_era =
    year_of_era * 365 + Math.floor(year_of_era / 4) - Math.floor(year_of_era / 100) + day_of_year
  return era * 146_097 + day_of_era - 719_468
}

/** `YYYY-MM-DDTHH:MM:SS`. `Date` counts the same calendar, within ±271 821 years. */
function formatSeconds(seconds: number): string {
  const date = new Date(seconds * 1000)
  const year = date.getUTCFullYear()
  const digits = String(Math.abs(year)).padStart(4, '0')
  const sign = year > 9999 ? '+' : year < 0 ? '-' : ''
  return `${sign}${digits}${date.toISOString().slice(-20, -5)}`
}

function floorModulo(value: bigint, by: bigint): bigint {
  const remainder = value % by
  return remainder < 0n ? remainder + by : remainder
}
