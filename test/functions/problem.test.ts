import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import {
  problemBody,
  problemOf,
  problemResponse,
  PROBLEMS,
  type DeltaFailure,
  type Reason,
} from '../../functions/problem.ts'
import { problemExample } from '../../functions/problem-examples.ts'
import { expectProblem, REASONS } from '../support/problems.ts'

const NAMES = Object.keys(REASONS) as Reason[]

describe('the table of reasons, http-api.md 6.2', () => {
  test('has every reason of the specification and no other', () => {
    expect(Object.keys(PROBLEMS).toSorted()).toEqual(NAMES.toSorted())
  })

  test.each(NAMES)('%s: status, code, retryable, Retry-After and promise', (reason) => {
    const { title, promise, has_retry_after, ...row } = PROBLEMS[reason]
    const { class: promised, retry_after, ...wanted } = REASONS[reason] ?? {}
    expect(row).toEqual(wanted)
    expect(has_retry_after).toBe(retry_after)
    expect(promise).toBe(promised ?? 'refused')
    expect(title).toMatch(/^[A-Z]/)
  })

  test('each reason has a title of its own', () => {
    const titles = Object.values(PROBLEMS).map(({ title }) => title)
    expect(new Set(titles).size).toBe(titles.length)
  })
})

describe('the body of a refusal, http-api.md 6.1', () => {
  test.each(NAMES)('%s on the wire', async (reason) => {
    const response = problemResponse({ reason, detail: 'what was expected' }, { request_id: 'req-1' })
    // The app adds these two to every answer.
    response.headers.set('cache-control', 'no-store')
    response.headers.set('x-request-id', 'req-1')
    const { status, headers } = response
    expectProblem({ status, headers, body: await response.json() }, { reason, detail: 'what was expected' })
  })

  test('a reason brings its own members along, at top level', () => {
    const members = { latest_version: 3, state_missing: true }
    expect(
      problemBody({ reason: 'stale_read_version', detail: 'd', members }, { request_id: 'r' }),
    ).toMatchObject(members)
  })

  test('type follows the base that the deployment configures', () => {
    const base_url = 'https://docs.example.org/problems'
    expect(problemBody({ reason: 'internal', detail: 'd' }, { request_id: 'r', base_url })).toMatchObject({
      type: 'https://docs.example.org/problems#internal',
    })
  })

  test.each([
    [undefined, '1', 1000],
    [0, '1', 0],
    [1, '1', 1],
    [1000, '1', 1000],
    [1001, '2', 1001],
    [5000, '5', 5000],
  ])('retry_after_ms %s: Retry-After is whole seconds, at least one', async (ms, seconds, repeated_ms) => {
    const members = ms === undefined ? {} : { retry_after_ms: ms }
    const response = problemResponse({ reason: 'reserved', detail: 'd', members }, { request_id: 'r' })
    expect(response.headers.get('retry-after')).toBe(seconds)
    expect(await response.json()).toMatchObject({ retry_after_ms: repeated_ms })
  })
})

describe('refusals of the protocol, coordinator.md 8', () => {
  const TABLE = '0194f5a0-1c00-7c3d-9b1e-2f6a4d8e0c11'
  const staged_path = `delta/staging/${TABLE}/01JKTT0G00Z4N2V8R6W1X3Y5ZB.json`
  const retry_after_ms = 1000
  const FAILURES: readonly (readonly [
    DeltaFailure,
    detail: string | RegExp,
    members: Record<string, unknown>,
  ])[] = [
    [{ ok: false, reason: 'table_not_found', table_id: TABLE }, `table not found: ${TABLE}`, {}],
    [{ ok: false, reason: 'staged_not_found', staged_path }, `staged payload not found: ${staged_path}`, {}],
    [
      { ok: false, reason: 'staged_not_found', staged_path, log_version_exists: true },
      `staged payload not found: ${staged_path}`,
      { log_version_exists: true },
    ],
    [
      { ok: false, reason: 'staged_version_mismatch', staged_path },
      `staged payload version mismatch for ${staged_path}`,
      {},
    ],
    [
      { ok: false, reason: 'not_delta', table_id: TABLE, format: 'iceberg' },
      `table ${TABLE} is format 'iceberg', expected 'delta'`,
      {},
    ],
    [
      { ok: false, reason: 'stale_read_version', read_version: 1, latest_version: 3 },
      'stale read_version: expected 3, got 1',
      { latest_version: 3 },
    ],
    [
      { ok: false, reason: 'stale_read_version', read_version: 1, state_missing: true },
      /^stale read_version: expected unknown, got 1$/,
      { state_missing: true },
    ],
    [
      { ok: false, reason: 'read_version_ahead', read_version: 7, latest_version: 3 },
      'stale read_version: expected 3, got 7',
      { latest_version: 3 },
    ],
    [
      { ok: false, reason: 'reserved', expires_at_ms: 9, retry_after_ms: 5000 },
      'delta commit already reserved; retry later',
      { expires_at_ms: 9, retry_after_ms: 5000 },
    ],
    [{ ok: false, reason: 'key_reuse' }, 'Idempotency-Key already used with different request body', {}],
    [
      { ok: false, reason: 'log_conflict', latest_version: 4 },
      'delta log version already exists with different contents',
      { latest_version: 4 },
    ],
    [{ ok: false, reason: 'version_overflow' }, 'delta version overflow', {}],
    [
      {
        ok: false,
        reason: 'contention',
        detail: 'failed to reserve delta commit after retries',
        retry_after_ms,
      },
      'failed to reserve delta commit after retries',
      { retry_after_ms },
    ],
    [{ ok: false, reason: 'root_mismatch' }, /root/, {}],
    [
      { ok: false, reason: 'outcome_unverifiable', committed_version: 4 },
      /compare/,
      { committed_version: 4 },
    ],
    [{ ok: false, reason: 'outcome_unknown', retry_after_ms }, /identical request again/, { retry_after_ms }],
    [{ ok: false, reason: 'storage_unavailable', retry_after_ms }, /nothing was written/, { retry_after_ms }],
    [{ ok: false, reason: 'throttled', retry_after_ms }, /nothing was written/, { retry_after_ms }],
    [{ ok: false, reason: 'state_corrupt' }, /state/, {}],
    [{ ok: false, reason: 'marker_corrupt' }, /marker/, {}],
    [{ ok: false, reason: 'state_invariant' }, /version/, {}],
    [{ ok: false, reason: 'invalid_table_root', table_id: TABLE }, /location/, {}],
    [
      { ok: false, reason: 'object_corrupt', object_class: 'catalog_pointer' },
      /catalog_pointer/,
      { object_class: 'catalog_pointer' },
    ],
  ]
  test.each(FAILURES)('%j', (failure, detail, members) => {
    const problem = problemOf(failure)
    expect(problem.reason).toBe(failure.reason)
    expect(problem.detail).toMatch(detail)
    expect(problem.members).toEqual(members)
  })

  test('payload_invalid: the first error is the text, although a warning comes first', () => {
    const findings = [
      { rule: 'DL-338', severity: 'warn', line: 1, detail: 'a warning' },
      { rule: 'DL-202', severity: 'error', line: 2, detail: 'an error' },
    ] as const
    expect(problemOf({ ok: false, reason: 'payload_invalid', findings })).toEqual({
      reason: 'payload_invalid',
      detail: 'an error',
      members: { findings },
    })
  })
})

describe('docs/problems.md', () => {
  const text = readFileSync(join(import.meta.dirname, '../../docs/problems.md'), 'utf8')
  const sections = new Map(
    text
      .split(/^## /m)
      .slice(1)
      .map((section) => [section.slice(0, section.indexOf('\n')), section]),
  )
  /** How a heading is named in a link: `docs/problems.md#` and this. */
  const anchor = (heading: string): string =>
    heading
      .toLowerCase()
      .replaceAll(/[^\w\- ]/g, '')
      .replaceAll(' ', '-')

  test('has one section for every reason, and `type` leads there', () => {
    const headings = [...sections.keys()].filter((heading) => heading !== 'Rule for commits')
    expect(headings.toSorted()).toEqual(NAMES.toSorted())
    expect(headings.map(anchor)).toEqual(headings)
    expect([...text.matchAll(/^## /gm)]).toHaveLength(sections.size)
  })

  test.each(NAMES)('%s: the line below the heading agrees with the table', (reason) => {
    const row = REASONS[reason]
    const promise = row?.class ?? 'refused before any work'
    const [, line] = (sections.get(reason) ?? '').split('\n\n')
    expect(line).toBe(
      [
        `**${row?.status}**`,
        row?.code,
        row?.retryable ? 'retryable' : 'not retryable',
        ...(row?.retry_after ? ['`Retry-After`'] : []),
        `**${promise}**`,
      ].join(' · '),
    )
  })

  test.each(NAMES)('%s: says what to do next, and shows the body that the service sends', (reason) => {
    const section = sections.get(reason) ?? ''
    expect(section).toMatch(/\n\nNext: \S/)
    const [, json = ''] = /```json\n(.*)\n```/.exec(section) ?? []
    expect(JSON.parse(json)).toEqual(problemExample(reason))
  })
})
