/** Every planted fault of this folder, by the name of its file. */
import { readdirSync } from 'node:fs'
import type { ProjectionFault, TableFault } from './fault.ts'

/** A fault and where it is planted: `table/w1-ttl-over`. */
export interface Named<F> {
  readonly name: string
  readonly fault: F
}

/** All of them, of tables and of the projection. */
export async function allFaults(): Promise<{
  readonly table: readonly Named<TableFault>[]
  readonly projection: readonly Named<ProjectionFault>[]
}> {
  return { table: await faultsIn('table'), projection: await faultsIn('projection') }
}

async function faultsIn<F>(folder: string): Promise<Named<F>[]> {
  const files = readdirSync(new URL(`${folder}/`, import.meta.url)).toSorted()
  return Promise.all(
    files.map(async (file) => {
      const { fault } = (await import(new URL(`${folder}/${file}`, import.meta.url).href)) as { fault: F }
      return { name: `${folder}/${file.replace('.ts', '')}`, fault }
    }),
  )
}
