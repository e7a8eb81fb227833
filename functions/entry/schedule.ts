/** Runs the health check by itself, on runtimes whose process lives between requests. */
import type { App } from '../app.ts'
import type { HealthConfig } from '../config-health.ts'

/** What is run. */
type Checking = Pick<App, 'healthCheck'>

/**
 * Run every `interval_secs` from now on; a run that takes longer than that is not run over. What a run comes to is in the log and
 * the metrics. Does not keep the process alive.
 */
export function runEveryInterval(app: Checking, { interval_secs, recovers }: HealthConfig): void {
  if (interval_secs === null) return
  let is_running = false
  const timer = setInterval(() => {
    if (is_running) return
    is_running = true
    void app.healthCheck({ recover: recovers }).finally(() => {
      is_running = false
    })
  }, interval_secs * 1_000)
  // Deno's timers are numbers.
  if (typeof timer === 'object') timer.unref()
}

/** `Deno.cron`, which is there on Deno Deploy, and with `--unstable-cron`. */
export type Cron = (name: string, schedule: string, run: () => Promise<void>) => unknown

/** As `runEveryInterval`, by the platform's own clock, which wakes an instance that sleeps. */
export function runByCron(cron: Cron, app: Checking, { interval_secs, recovers }: HealthConfig): void {
  if (interval_secs === null) return
  void cron('tidemark health check', cronSchedule(interval_secs), async () => {
    await app.healthCheck({ recover: recovers })
  })
}

/** The schedule of cron that comes next to an interval: minutes up to an hour, then hours up to a day. */
export function cronSchedule(interval_secs: number): string {
  const minutes = Math.max(1, Math.round(interval_secs / 60))
  if (minutes < 60) return `*/${minutes} * * * *`
  const hours = Math.round(minutes / 60)
  return hours < 24 ? `0 */${hours} * * *` : '0 0 * * *'
}
