/** Services that their first request makes, and who may ask one in the dev posture. */
import { describe, expect, test } from 'vitest'
import { createApp } from '../../../functions/app.ts'
import { ConfigError, configFrom } from '../../../functions/config.ts'
import { elsewhereResponse, isLoopbackAddress, isLoopbackUrl } from '../../../functions/entry/local-only.ts'
import { onDemand, type Started } from '../../../functions/entry/on-demand.ts'
import { memoryStore } from '../../../lib/store/memory.ts'
import { StoreError } from '../../../lib/store/types.ts'
import { PRIVATE } from '../../support/deployment.ts'
import { expectProblem } from '../../support/problems.ts'
import { testDeps } from '../../support/service.ts'

const started = (env: Readonly<Record<string, string>> = {}): Started => ({
  app: createApp(testDeps(memoryStore())),
  config: configFrom(env),
})

/** A service whose start is in the test's hands. */
function harness(start: () => Promise<Started>): {
  readonly ask: () => Promise<Started | Response>
  readonly starts: () => number
  readonly log: () => readonly Readonly<Record<string, unknown>>[]
} {
  let starts = 0
  const lines: string[] = []
  const service = onDemand<null>({
    write: (line) => void lines.push(line),
    async start() {
      starts += 1
      return start()
    },
  })
  return {
    ask: async () => service(null),
    starts: () => starts,
    log: () => lines.map((line) => JSON.parse(line) as Readonly<Record<string, unknown>>),
  }
}

async function expectRefused(answer: Started | Response, reason: string): Promise<void> {
  if (!(answer instanceof Response)) throw new Error('it started')
  expectProblem({ status: answer.status, headers: answer.headers, body: await answer.json() }, { reason })
}

describe('a service that its first request makes', () => {
  test('is made once, however many ask before it is there', async () => {
    const service = started()
    const { ask, starts } = harness(async () => service)
    expect(await Promise.all([ask(), ask(), ask()])).toEqual([service, service, service])
    expect(await ask()).toBe(service)
    expect(starts()).toBe(1)
  })

  test('all who waited for a start that fails are refused; the next one tries again', async () => {
    const service = started()
    const outcomes = [Promise.reject(new Error('canary')), Promise.resolve(service)]
    outcomes[0]?.catch(() => undefined)
    const { ask, starts, log } = harness(async () => outcomes.shift() ?? service)
    for (const answer of await Promise.all([ask(), ask()])) await expectRefused(answer, 'internal')
    expect(starts()).toBe(1)
    expect(log()).toHaveLength(2)
    expect(log()[0]).toMatchObject({ message: 'failure', cause: 'canary' })
    expect(await ask()).toBe(service)
    expect(starts()).toBe(2)
  })

  test('the cause is in the log and nowhere else', async () => {
    const { ask } = harness(async () => Promise.reject(new Error('canary')))
    const answer = await ask()
    expect(answer instanceof Response && (await answer.text())).not.toContain('canary')
  })

  test.each([
    ['a store that does not answer', new StoreError('unavailable', 'k', 'down'), 'storage_unavailable'],
    ['a store that denies', new StoreError('denied', 'k', 'no'), 'internal'],
    ['a wrong configuration', new ConfigError(['A: a', 'B: b']), 'internal'],
    ['a bug', new TypeError('x is not a function'), 'internal'],
  ])('%s', async (_name, error, reason) => {
    await expectRefused(await harness(async () => Promise.reject(error)).ask(), reason)
  })

  test('each problem of a configuration has a line of its own', async () => {
    const problems = Array.from({ length: 5 }, (_, each) => `VARIABLE_${each}: ${'x'.repeat(150)}`)
    const { ask, log } = harness(async () => Promise.reject(new ConfigError(problems)))
    await ask()
    expect(log().map(({ cause }) => cause)).toEqual(problems)
    expect(new Set(log().map(({ request_id }) => request_id)).size).toBe(1)
  })
})

describe('the dev posture', () => {
  test.each([
    ['127.0.0.1', true],
    ['127.1.2.3', true],
    ['::1', true],
    ['::ffff:127.0.0.1', true],
    ['::ffff:10.0.0.1', false],
    ['10.0.0.1', false],
    ['169.254.1.1', false],
    ['1127.0.0.1', false],
    ['::1:1', false],
    ['', false],
    [undefined, false],
  ])('a peer at %s is of this machine: %s', (address, is_local) => {
    expect(isLoopbackAddress(address)).toBe(is_local)
  })

  test.each([
    ['http://localhost/health', true],
    ['http://LOCALHOST:8787/health', true],
    ['http://127.0.0.1:8787/', true],
    ['https://[::1]/', true],
    ['https://tidemark.example.workers.dev/', false],
    ['https://localhost.example/', false],
    ['https://127.0.0.1.example/', false],
    ['https://example/?localhost', false],
    ['https://localhost@evil.example/', false],
  ])('%s is addressed to this machine: %s', (url, is_local) => {
    expect(isLoopbackUrl(url)).toBe(is_local)
  })

  test('refuses what is not from here; every other posture has credentials for that', async () => {
    const dev = started()
    expect(elsewhereResponse(dev, true)).toBeNull()
    const refused = elsewhereResponse(dev, false)
    if (refused === null) throw new Error('it was let in')
    expectProblem(
      { status: refused.status, headers: refused.headers, body: await refused.json() },
      {
        reason: 'forbidden',
        detail: /^the dev posture asks for no credentials and answers this machine only/,
      },
    )
    for (const env of [PRIVATE, { ...PRIVATE, ARCO_API_PUBLIC: 'true' }]) {
      expect(elsewhereResponse(started(env), false)).toBeNull()
    }
  })
})
