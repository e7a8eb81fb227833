/** The order of texts, against the platform's comparison of their bytes. */
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { compareBytes } from '../../../lib/protocol/orchestration/byte-order.ts'

test('events.md 0: texts are ordered by their UTF-8 bytes, above U+FFFF and around the surrogates too', () => {
  const character = fc.constantFrom(
    'a',
    'b',
    '\u00e9',
    '\ud7ff',
    '\ue000',
    '\ufffd',
    '\u{10000}',
    '\u{1f600}',
  )
  const text = fc.string({ unit: character, maxLength: 4 })
  fc.assert(
    fc.property(text, text, (a, b) => {
      expect(Math.sign(compareBytes(a, b))).toBe(Buffer.compare(Buffer.from(a), Buffer.from(b)))
    }),
    { numRuns: 2000 },
  )
})
