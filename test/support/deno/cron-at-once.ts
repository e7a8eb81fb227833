/**
 * The entry file of Deno, below a `Deno.cron` that keeps to the real one, which checks name and schedule, and runs the work at
 * once besides. The real one counts in minutes.
 */
import process from 'node:process'

interface WithCron {
  cron(name: string, schedule: string, run: () => Promise<void>): Promise<void>
}

const { Deno: deno } = globalThis as unknown as { readonly Deno: WithCron }
const real = deno.cron

Object.defineProperty(deno, 'cron', {
  value: async (name: string, schedule: string, run: () => Promise<void>): Promise<void> => {
    void real(name, schedule, run)
    process.stderr.write(`Deno.cron ${JSON.stringify([name, schedule])}\n`)
    await run()
  },
})

const { default: entry } = await import('../../../functions/entry/deno.ts')

export default entry
