/** Rows of the store contract: a service behind something that breaks its conditions is not certified (PV-01…PV-04). */
import { expect } from 'vitest'
import { certify, type Certification } from '../../../lib/store/certify.ts'
import type { ContractRow, Driver, Gateway } from './row.ts'

/** Certification as a machine with little time runs it. */
export async function certified(driver: Driver): Promise<Certification> {
  return certify(driver, { sleep: async () => undefined })
}

/** Each gateway, the step that must notice it, and the rule that the vendor is told. */
const BROKEN: readonly {
  readonly id: string
  readonly gateway: Gateway
  readonly step: string
  readonly promise: string
}[] = [
  {
    id: 'PV-01',
    gateway: 'ignores_create',
    step: 'K-3',
    promise: 'a service that ignores "if absent" is refused, because it replaced an object',
  },
  {
    id: 'PV-02',
    gateway: 'ignores_replace',
    step: 'K-5',
    promise: 'a service that ignores "if unchanged" is refused, because an old token replaced an object',
  },
  {
    id: 'PV-03',
    gateway: 'checks_then_writes',
    step: 'K-7',
    promise: 'a service that checks first and writes later is refused, because two creates succeeded',
  },
]

/** Against the real service through a gateway of our own. */
export const CERTIFYING: readonly ContractRow[] = [
  ...BROKEN.map(({ id, gateway, step, promise }): ContractRow => ({
    id,
    promise,
    run: async (context) => expectRefused(context.needService().behind(gateway), step),
  })),
  {
    id: 'PV-04',
    promise: 'a service that wants ETags without quotes is found out and certified',
    async run(context) {
      const result = await certified(context.needService().behind('wants_unquoted'))
      expect(result).toMatchObject({ conclusion: 'certified', if_match_style: 'unquoted' })
    },
  },
  {
    id: 'PV-04',
    promise: 'a service that wants ETags with quotes is found out and certified',
    async run(context) {
      const result = await certified(context.needService().behind('wants_quoted'))
      expect(result).toMatchObject({ conclusion: 'certified', if_match_style: 'quoted' })
    },
  },
]

async function expectRefused(driver: Driver, step: string): Promise<void> {
  const { conclusion, steps } = await certified(driver)
  expect(steps.filter(({ verdict }) => verdict === 'fail').map((each) => each.id)).toEqual([step])
  expect(conclusion).toBe('refused')
  const after = steps.slice(steps.findIndex((each) => each.id === step) + 1)
  expect(after.every(({ verdict }) => verdict === 'not_run')).toBe(true)
}
