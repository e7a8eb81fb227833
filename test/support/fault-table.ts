/** A sound table with everything that a table may have, for one planted fault. */
import { TABLE_ID } from './commit-world.ts'
import { checkpointFile } from './checkpoints.ts'
import { dyingAfter } from './crash-windows.ts'
import { testService } from './service.ts'
import { logName, reduce, rowsOf, type Action } from './spoilt-table.ts'
import { verifiedTable, type Made, type VerifiedTable } from './verified-table.ts'

/** Where the checkpoint of version 1 lies, relative to the workspace. */
export const CHECKPOINT_PATH = `tables/${TABLE_ID}/${logName(1, 'checkpoint.parquet')}`

/** Where the hint lies. */
export const HINT_PATH = `tables/${TABLE_ID}/_delta_log/_last_checkpoint`

/** A table of versions 0 to 2 with a checkpoint, and its operator. */
export interface FaultTable extends VerifiedTable {
  readonly first: Made
  readonly last: Made
  /** Stop the commit of version 3 after some of its four writes: 1 leaves W1, 2 leaves W2, 3 leaves W3. */
  crash(puts: number): Promise<Made>
  /** Change the reservation as it is stored. */
  setInflight(change: (inflight: Action) => void): void
}

/** Longer than the TTL of a reservation, ms. */
export const PAST_TTL_MS = 3_600_000

/** Make one. */
export async function faultTable(): Promise<FaultTable> {
  const table = await verifiedTable()
  const [first, , last] = table.made
  if (first === undefined || last === undefined) throw new Error('expected three commits')
  const entries = table.made.slice(0, 2).map(({ payload }) => actionsOf(payload))
  const rows = rowsOf(reduce(entries))
  table.store.seed(table.service.prefix + CHECKPOINT_PATH, checkpointFile(rows))
  table.write(HINT_PATH, JSON.stringify({ version: 1, size: rows.length }))
  return {
    ...table,
    first,
    last,
    async crash(puts) {
      const made = await table.writer(2)
      const dying = testService(dyingAfter(puts)(table.store), { clock: table.clock })
      const { status } = await dying.commit(made.call)
      if (status !== 503) throw new Error(`expected a crash, got ${status}`)
      return made
    },
    setInflight: (change) => table.setState(({ inflight }) => change(inflight)),
  }
}

function actionsOf(payload: string): Action[] {
  return payload
    .trimEnd()
    .split('\n')
    .map((line): Action => JSON.parse(line))
}

/** An entry that no payload of ours is. */
export const FOREIGN_ENTRY = '{"commitInfo":{"operation":"WRITE","engineInfo":"another engine"}}\n'
