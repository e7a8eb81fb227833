/**
 * Tidemark on Cloudflare Workers: a module worker over an R2 binding, or over another cloud's bucket by fetch. Needs no
 * Node modules (wrangler.toml sets no `nodejs_compat`). The app is made once an isolate, when its first request comes.
 */
import { configFrom } from '../config.ts'
import { elsewhereResponse, isLoopbackUrl } from './local-only.ts'
import { onDemand } from './on-demand.ts'
import { createService } from './service.ts'
import { openWorkerStore, textsOf, type WorkerEnv } from './worker-stores.ts'

/** What the runtime offers for work that outlives the answer. */
export interface WorkerContext {
  waitUntil(work: Promise<unknown>): void
}

const service = onDemand<WorkerEnv>({
  write: writeLine,
  async start(env) {
    const config = configFrom(textsOf(env))
    return {
      config,
      app: await createService(config, {
        opened: openWorkerStore(config, env),
        write: writeLine,
        counted_by: 'isolate',
      }),
    }
  },
})

/** The console is the platform's log; it adds the line break. */
function writeLine(line: string): void {
  console.log(line.trimEnd())
}

/** The module that the platform runs. */
export default {
  async fetch(request: Request, env: WorkerEnv, context: WorkerContext): Promise<Response> {
    const answer = answerTo(request, env, context)
    // A client that goes away must not cut a commit that is reserved (spec/http-api.md 11), nor a start that others wait for.
    context.waitUntil(answer.catch(() => undefined))
    return answer
  },
  /** Cron trigger: is the store there and may it be written to? A refusal fails the run, which the platform shows. */
  async scheduled(_event: unknown, env: WorkerEnv): Promise<void> {
    const answer = await answerTo(new Request('https://localhost/ready'), env)
    if (answer.status !== 200) throw new Error(`not ready: ${await answer.text()}`)
  },
}

async function answerTo(request: Request, env: WorkerEnv, context?: WorkerContext): Promise<Response> {
  const started = await service(env)
  if (started instanceof Response) return started
  return (
    elsewhereResponse(started, isLoopbackUrl(request.url)) ?? started.app.fetch(request, undefined, context)
  )
}
