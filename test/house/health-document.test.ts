/** docs/health.md is what the code says. */
import { expect, test } from 'vitest'
import { readPosition } from '../../lib/protocol/maintenance/health/position.ts'
import {
  TABLES_DEFAULT,
  TABLES_MAX,
  STUCK_MAX,
  RUN_MS_MAX,
} from '../../lib/protocol/maintenance/health/settings.ts'
import { DELIVERY_HEADER, SIGNATURE_HEADER, TIMESTAMP_HEADER } from '../../functions/webhook.ts'
import { documentText } from '../support/documents.ts'
import { healthDocument } from '../support/health-document.ts'

test('docs/health.md is what `npm run docs:health` writes', () => {
  expect(documentText('docs/health.md')).toBe(healthDocument())
})

test('its numbers and names are those of the code', () => {
  const text = documentText('docs/health.md')
  expect(text).toContain(`1 to ${TABLES_MAX} | ${TABLES_DEFAULT} |`)
  expect(text).toContain(`at most ${STUCK_MAX} stuck tables`)
  expect(text).toContain(`After ${RUN_MS_MAX / 1_000} s it begins nothing new`)
  for (const header of [DELIVERY_HEADER, SIGNATURE_HEADER, TIMESTAMP_HEADER]) {
    expect(text.toLowerCase()).toContain(`| \`${header}\` |`)
  }
  const first = readPosition().next()
  expect(first.value).toMatchObject({ kind: 'get' })
  const { path } = first.value as { readonly path: string }
  expect(text).toContain(`\`${path}\``)
})
