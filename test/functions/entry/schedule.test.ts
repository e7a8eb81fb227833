/** What runs by itself, and how often. */
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { configFrom } from '../../../functions/config.ts'
import type { HealthConfig } from '../../../functions/config-health.ts'
import { cronSchedule, runByCron, runEveryInterval, type Cron } from '../../../functions/entry/schedule.ts'

beforeEach(() => void vi.useFakeTimers())
afterEach(() => void vi.useRealTimers())

const health = (env: Readonly<Record<string, string>>): HealthConfig => configFrom(env).health

/** An app whose runs end when the test says so. */
function checking(): {
  readonly asked: unknown[]
  end(): void
  healthCheck(body: unknown): Promise<Response>
} {
  let gate = Promise.withResolvers<Response>()
  const asked: unknown[] = []
  return {
    asked,
    end() {
      gate.resolve(new Response())
      gate = Promise.withResolvers()
    },
    async healthCheck(body) {
      asked.push(body)
      return gate.promise
    },
  }
}

test('every interval, and not over a run that goes on', async () => {
  const app = checking()
  runEveryInterval(app, health({ TIDEMARK_HEALTH_INTERVAL_SECS: '60', TIDEMARK_HEALTH_RECOVER: 'true' }))
  await vi.advanceTimersByTimeAsync(59_999)
  expect(app.asked).toEqual([])
  await vi.advanceTimersByTimeAsync(1)
  expect(app.asked).toEqual([{ recover: true }])
  await vi.advanceTimersByTimeAsync(180_000)
  expect(app.asked.length).toBe(1)
  app.end()
  await vi.advanceTimersByTimeAsync(60_000)
  expect(app.asked.length).toBe(2)
})

test('off unless an interval is set', async () => {
  const app = checking()
  runEveryInterval(app, health({}))
  const cron = vi.fn<Cron>()
  runByCron(cron, app, health({}))
  await vi.advanceTimersByTimeAsync(86_400_000)
  expect([app.asked, cron.mock.calls]).toEqual([[], []])
})

test('by cron: one entry of that name, whose work is a run', async () => {
  const app = checking()
  const cron = vi.fn<Cron>()
  runByCron(cron, app, health({ TIDEMARK_HEALTH_INTERVAL_SECS: '300' }))
  expect(cron.mock.calls).toEqual([['tidemark health check', '*/5 * * * *', expect.any(Function)]])
  const running = cron.mock.calls[0]?.[2]()
  app.end()
  await running
  expect(app.asked).toEqual([{ recover: false }])
})

test.each([
  [1, '*/1 * * * *'],
  [90, '*/2 * * * *'],
  [300, '*/5 * * * *'],
  [3_540, '*/59 * * * *'],
  [3_600, '0 */1 * * *'],
  [21_600, '0 */6 * * *'],
  [86_400, '0 0 * * *'],
])('%d s are %s', (seconds, schedule) => {
  expect(cronSchedule(seconds)).toBe(schedule)
})
