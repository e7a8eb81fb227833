/**
 * Planted faults, one file each (issue 7): `verify` names it in its first line, `inspect` names it where it is among the keys
 * that it reads, what is suggested resolves it, word for word, and then `verify` finds nothing.
 */
import { describe, expect, test } from 'vitest'
import type { Finding } from '../../lib/protocol/maintenance/finding.ts'
import { TABLE_ID } from '../support/commit-world.ts'
import { faultProjection, OLD_MS, type FaultProjection } from '../support/fault-projection.ts'
import { faultTable, type FaultTable } from '../support/fault-table.ts'
import { backupOf, findingsAt, follow, requestIn, sendRequest } from '../support/fault-operator.ts'
import { allFaults } from './all.ts'
import type { ProjectionFault, TableInspection } from './fault.ts'
import { ROWS } from './rows.ts'

const TABLE_PATH = `/api/v1/delta/tables/${TABLE_ID}`
const PROJECTION_VERIFY = '/internal/verify/projection'

const { table: TABLE_FAULTS, projection: PROJECTION_FAULTS } = await allFaults()

function firstOf(findings: readonly Finding[]): Finding {
  const [first] = findings
  if (first === undefined) throw new Error('nothing was found')
  return first
}

/** What an inspection said, and what it had to say. */
interface Inspected {
  readonly said: unknown
  readonly expected: object
}

async function inspectTable(table: FaultTable, inspection: TableInspection): Promise<Inspected> {
  if (inspection === 'unseen') {
    const { status, body } = await table.service.inspect(TABLE_ID)
    const expected = [200, { latest_version: 2, inflight: null, resolution: null }]
    return { said: [status, body], expected }
  }
  const { asks, status: expected = 200, says } = inspection
  const { status, body } =
    asks === 'table'
      ? await table.service.inspect(TABLE_ID)
      : await table.service.request('GET', `${TABLE_PATH}/inspect/key`, undefined, {
          'idempotency-key': inspection.key(table),
        })
  return { said: [status, body], expected: [expected, says] }
}

describe.each(TABLE_FAULTS)('$name', ({ fault }) => {
  test(`${fault.first} comes first, its suggestion resolves it, and then nothing is found`, async () => {
    const table = await faultTable()
    const backup = backupOf(table)
    await fault.plant(table)
    const first = firstOf(await findingsAt(table, `${TABLE_PATH}/verify`))
    expect(`${first.rule} ${first.severity}: ${first.detail}`).toMatch(new RegExp(`^${fault.first}: `))
    const { said, expected } = await inspectTable(table, fault.inspect)
    expect(said).toMatchObject(expected)
    await follow(table, fault.resolved_by, first.next, backup)
    expect(await findingsAt(table, `${TABLE_PATH}/verify`)).toEqual([])
  })
})

async function inspectProjection(
  { service }: FaultProjection,
  { inspect }: ProjectionFault,
  { rule, next }: Finding,
): Promise<Inspected> {
  const { body } = await service.request('GET', '/internal/inspect/projection')
  const rules = (body.findings as Finding[]).map((finding) => finding.rule)
  const said = { first: rules[0], is_named: rules.includes(rule), path: body.resolution.request?.path }
  if (inspect === 'unseen') return { said, expected: { is_named: false } }
  const request = requestIn(next)
  return { said, expected: { first: rule, ...(request === null ? {} : { path: request.path }) } }
}

/** A rebuild leaves the revisions before it to be collected: the suggestion of each says so. */
async function collect(world: FaultProjection): Promise<void> {
  const left = await findingsAt(world, PROJECTION_VERIFY)
  if (left.length === 0) return
  const others = left.filter(({ rule }) => !/^RC-10[1-4]$/.test(rule))
  if (others.length > 0) throw new Error(`the suggestion left ${JSON.stringify(others)}`)
  world.clock.advance(OLD_MS)
  const { next } = firstOf(await findingsAt(world, PROJECTION_VERIFY))
  await sendRequest(world, next)
}

describe.each(PROJECTION_FAULTS)('$name', ({ fault }) => {
  test(`${fault.first} comes first, its suggestion resolves it, and then nothing is found`, async () => {
    const world = await faultProjection()
    const backup = backupOf(world)
    await fault.plant(world)
    const first = firstOf(await findingsAt(world, PROJECTION_VERIFY))
    expect(`${first.rule} ${first.severity}: ${first.detail}`).toMatch(new RegExp(`^${fault.first}: `))
    const { said, expected } = await inspectProjection(world, fault, first)
    expect(said).toMatchObject(expected)
    await follow(world, fault.resolved_by, first.next, backup)
    await collect(world)
    expect(await findingsAt(world, PROJECTION_VERIFY)).toEqual([])
  })
})

describe('with nothing planted', () => {
  test('nothing is found in the table', async () => {
    expect(await findingsAt(await faultTable(), `${TABLE_PATH}/verify`)).toEqual([])
  })

  test('nothing is found in the projection', async () => {
    expect(await findingsAt(await faultProjection(), PROJECTION_VERIFY)).toEqual([])
  })
})

describe('which faults are planted', () => {
  const all = [...TABLE_FAULTS, ...PROJECTION_FAULTS].map(({ fault }) => fault)

  test('40 at least, no two alike', () => {
    expect(all.length).toBeGreaterThanOrEqual(40)
    expect(new Set(all.map(({ story }) => story)).size).toBe(all.length)
  })

  test('every row of the specification that says what goes wrong', () => {
    expect(new Set(all.flatMap(({ rows }) => rows))).toEqual(new Set(ROWS))
  })
})
