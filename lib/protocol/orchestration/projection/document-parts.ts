/** Members that several documents of the projection have (spec/manifests.md 2). */
import * as z from 'zod'
import { formatInstant, fromMs, parseInstant } from '../events/instant.ts'
import { corrupt } from './documents.ts'

/** A time: any RFC 3339 form is read, the shortest one with `Z` is written. */
export const Time = z.string().transform((text, context) => {
  const instant = parseInstant(text)
  if (instant !== null) return formatInstant(instant)
  context.addIssue({ code: 'custom', message: 'not a time' })
  return z.NEVER
})

/** "Never", where a time has to be written. */
export const NEVER = '1970-01-01T00:00:00Z'

/** A count; the reference clamps what does not fit. */
export const Count = z.int().min(0).max(0xffff_ffff)

/** A safe integer, never rounded: fencing tokens and epochs (spec/storage.md I-5). */
export const SafeCount = z.int().min(0)

/** The time of a clock as documents write it. */
export function timeText(now_ms: number): string {
  return formatInstant(fromMs(Math.floor(now_ms)))
}

/** Epoch ms of a time that a schema has checked. */
export function timeMs(text: string): number {
  const instant = parseInstant(text)
  if (instant === null) throw corrupt('manifest', '', 'not a time')
  return Number(instant / 1_000_000n)
}

/** A member that may be absent or null, which is the same. */
export function maybe<T extends z.ZodType>(
  schema: T,
): z.ZodPipe<
  z.ZodOptional<z.ZodNullable<T>>,
  z.ZodTransform<z.output<T> | null, z.output<T> | null | undefined>
> {
  return z.nullish(schema).transform((value) => value ?? null)
}
