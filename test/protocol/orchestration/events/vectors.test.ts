/** Events against what the reference reads and writes (spec/events.md 1–6, ../shared/vectors). */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { parseJson } from '../../../../lib/protocol/json.ts'
import type { JsonValue } from '../../../../lib/protocol/json.ts'
import { decodeEvent, EventError } from '../../../../lib/protocol/orchestration/events/decode.ts'
import {
  defaultIdempotencyKey,
  EVENT_NAMES,
  runIdOf,
} from '../../../../lib/protocol/orchestration/events/describe.ts'
import { canonicalText, encodeEvent, newEvent } from '../../../../lib/protocol/orchestration/events/encode.ts'
import { PAYLOADS } from '../../../../lib/protocol/orchestration/events/kinds.ts'
import { eventPath } from '../../../../lib/protocol/orchestration/paths.ts'
import { readVectors } from '../../../support/vectors.ts'
import { SHARED } from '../../../support/workspace.ts'

interface Parsing {
  readonly text: string
  readonly accepted: boolean
  readonly event_type?: string
  readonly idempotency_key?: string
  readonly run_id?: string | null
  readonly normalized?: JsonValue
}

const bytesOf = (text: string): Uint8Array => new TextEncoder().encode(text)

/** What we make of a text, in the shape of a vector. */
function parsingOf(text: string, input: Uint8Array | string): Parsing {
  try {
    const event = decodeEvent(input, 'a.json')
    return {
      text,
      accepted: true,
      event_type: EVENT_NAMES[event.data.type],
      idempotency_key: defaultIdempotencyKey(event.data),
      run_id: runIdOf(event.data),
      normalized: parseJson(encodeEvent(event), { forbid_proto: false }),
    }
  } catch (error) {
    if (error instanceof EventError) return { text, accepted: false }
    throw error
  }
}

describe('the 3 000 event texts of the reference', () => {
  const vectors = readVectors('event-parsing') as unknown as Parsing[]

  test('are as many as the reference wrote, of both kinds', () => {
    const accepted = vectors.filter((vector) => vector.accepted).length
    expect([vectors.length, accepted > 500, vectors.length - accepted > 500]).toEqual([3000, true, true])
  })

  test('events.md 2, 6: each is accepted or refused, described and written back as the reference does', () => {
    for (const vector of vectors) expect(parsingOf(vector.text, bytesOf(vector.text))).toEqual(vector)
  })

  test('as strings too', () => {
    for (const vector of vectors) expect(parsingOf(vector.text, vector.text)).toEqual(vector)
  })

  test('events.md 4.5: what is written back is canonical, and reads as the same event', () => {
    for (const { text, accepted, normalized } of vectors) {
      if (!accepted || normalized === undefined) continue
      const event = decodeEvent(text)
      const written = encodeEvent(event)
      expect(written).toBe(canonicalText(normalized))
      expect(decodeEvent(written)).toEqual(event)
    }
  })
})

/** The event of each kind that the specification shows, and the path that it gives it. */
function worked(): { text: string; path: string }[] {
  const specification = readFileSync(join(SHARED, 'spec/events.md'), 'utf8')
  const examples = specification.matchAll(/```json\n(\{\n {2}"event_id".*?)\n```\nLedger path: `([^`]*)`/gs)
  return [...examples].map(([, text = '', path = '']) => ({ text, path }))
}

describe('the worked example of each kind', () => {
  const examples = worked()

  test('events.md 6: there is one of each kind, and an unknown one', () => {
    const kinds = examples.map(({ text }) => decodeEvent(text).data.type)
    expect(kinds).toEqual([...Object.keys(PAYLOADS), 'unknown'])
  })

  test('events.md 6: its name, key, correlation and path are what a writer derives', () => {
    for (const { text, path } of examples.slice(0, -1)) {
      const event = decodeEvent(text)
      const { data } = event
      if (data.type === 'unknown') throw new Error('expected a known kind')
      expect(eventPath(event)).toBe(path)
      expect(
        newEvent({
          ...event,
          data,
          idempotency_key: defaultIdempotencyKey(data),
          causation_id: event.causation_id ?? '',
        }),
      ).toEqual(event)
    }
  })

  test('events.md 6.21: of an unknown kind only the envelope is kept', () => {
    const unknown = decodeEvent(examples.at(-1)?.text ?? '')
    expect(unknown).toMatchObject({
      event_type: 'FutureThing',
      correlation_id: null,
      data: { type: 'unknown' },
    })
    expect(encodeEvent(unknown)).toContain('"data":{"type":"unknown"}')
  })
})
