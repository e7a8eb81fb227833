/**
 * Planted faults, one file each (issue 7): `verify` names it in its first line, `inspect` names it where it is among the keys
 * that it reads, what is suggested resolves it, word for word, and then `verify` finds nothing.
 */
import { readdirSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import type { Finding } from '../../lib/protocol/maintenance/finding.ts'
import { TABLE_ID } from '../support/commit-world.ts'
import { faultProjection, OLD_MS, type FaultProjection } from '../support/fault-projection.ts'
import { faultTable, type FaultTable } from '../support/fault-table.ts'
import {
  backupOf,
  discard,
  findingsAt,
  requestIn,
  restore,
  sendRequest,
  type Backup,
  type Deployment,
} from '../support/fault-operator.ts'
import type { Fault, ProjectionFault, TableFault, TableInspection } from './fault.ts'
import { ROWS } from './rows.ts'

const TABLE_PATH = `/api/v1/delta/tables/${TABLE_ID}`
const PROJECTION_VERIFY = '/internal/verify/projection'

async function faultsIn<F>(folder: string): Promise<{ name: string; fault: F }[]> {
  const names = readdirSync(new URL(`${folder}/`, import.meta.url)).toSorted()
  return Promise.all(
    names.map(async (file) => {
      const { fault } = (await import(new URL(`${folder}/${file}`, import.meta.url).href)) as { fault: F }
      return { name: file.replace('.ts', ''), fault }
    }),
  )
}

const TABLE_FAULTS = await faultsIn<TableFault>('table')
const PROJECTION_FAULTS = await faultsIn<ProjectionFault>('projection')

async function resolve<World extends Deployment>(
  world: World,
  { resolved_by }: Fault<World>,
  { next }: Finding,
  backup: Backup,
): Promise<void> {
  if (resolved_by === 'request') {
    const { status, body } = await sendRequest(world, next)
    expect([status, body]).toEqual([200, body])
  } else if (resolved_by === 'restore') restore(world, backup, next)
  else if (resolved_by === 'delete') discard(world, next)
  else {
    expect(next).toContain(resolved_by.step)
    expect(requestIn(next)).toBeNull()
    await resolved_by.act(world)
  }
}

function firstOf(findings: readonly Finding[]): Finding {
  const [first] = findings
  if (first === undefined) throw new Error('nothing was found')
  return first
}

async function inspectTable(table: FaultTable, inspection: TableInspection): Promise<void> {
  if (inspection === 'unseen') {
    const { status, body } = await table.service.inspect(TABLE_ID)
    expect([status, body]).toMatchObject([200, { latest_version: 2, inflight: null, resolution: null }])
    return
  }
  const { asks, status: expected = 200, says } = inspection
  const { status, body } =
    asks === 'table'
      ? await table.service.inspect(TABLE_ID)
      : await table.service.request('GET', `${TABLE_PATH}/inspect/key`, undefined, {
          'idempotency-key': inspection.key(table),
        })
  expect([status, body]).toMatchObject([expected, says])
}

describe.each(TABLE_FAULTS)('table/$name', ({ fault }) => {
  test(`${fault.first} comes first, its suggestion resolves it, and then nothing is found`, async () => {
    const table = await faultTable()
    const backup = backupOf(table)
    await fault.plant(table)
    const first = firstOf(await findingsAt(table, `${TABLE_PATH}/verify`))
    expect(`${first.rule} ${first.severity}: ${first.detail}`).toMatch(new RegExp(`^${fault.first}: `))
    await inspectTable(table, fault.inspect)
    await resolve(table, fault, first, backup)
    expect(await findingsAt(table, `${TABLE_PATH}/verify`)).toEqual([])
  })
})

async function inspectProjection(
  world: FaultProjection,
  fault: ProjectionFault,
  first: Finding,
): Promise<void> {
  const { status, body } = await world.service.request('GET', '/internal/inspect/projection')
  expect(status).toBe(200)
  const rules = (body.findings as Finding[]).map(({ rule }) => rule)
  if (fault.inspect === 'unseen') return expect(rules).not.toContain(first.rule)
  expect(rules[0]).toBe(first.rule)
  const request = requestIn(first.next)
  if (request !== null) expect(body.resolution.request).toMatchObject({ method: 'POST', path: request.path })
}

/** A rebuild leaves the revisions before it to be collected: the suggestion of each says so. */
async function collect(world: FaultProjection): Promise<void> {
  const left = await findingsAt(world, PROJECTION_VERIFY)
  if (left.length === 0) return
  for (const { rule } of left) expect(rule).toMatch(/^RC-10[1-4]$/)
  world.clock.advance(OLD_MS)
  const { next } = firstOf(await findingsAt(world, PROJECTION_VERIFY))
  expect((await sendRequest(world, next)).status).toBe(200)
}

describe.each(PROJECTION_FAULTS)('projection/$name', ({ fault }) => {
  test(`${fault.first} comes first, its suggestion resolves it, and then nothing is found`, async () => {
    const world = await faultProjection()
    const backup = backupOf(world)
    await fault.plant(world)
    const first = firstOf(await findingsAt(world, PROJECTION_VERIFY))
    expect(`${first.rule} ${first.severity}: ${first.detail}`).toMatch(new RegExp(`^${fault.first}: `))
    await inspectProjection(world, fault, first)
    await resolve(world, fault, first, backup)
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
