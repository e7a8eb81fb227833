/** Our own code in a real workerd: bundled as for a deployment, with an R2 bucket in memory. */
import { build } from 'esbuild'
import { Miniflare } from 'miniflare'

/** A worker that runs. */
export interface Worker {
  /** Ask it; `path` starts with a slash. */
  json<T>(path: string): Promise<T>
  stop(): Promise<void>
}

/** `with_node` is for assertions of tests, never for what is deployed. */
export interface WorkerOptions {
  readonly with_node?: boolean
}

/** Bundle a module worker and all that it imports. */
export async function bundleForWorkerd(
  entry: string,
  { with_node = false }: WorkerOptions = {},
): Promise<string> {
  const { outputFiles } = await build({
    entryPoints: [entry],
    bundle: true,
    write: false,
    format: 'esm',
    target: 'es2024',
    conditions: ['workerd', 'worker', 'browser'],
    mainFields: ['module', 'main'],
    platform: 'neutral',
    external: with_node ? ['node:*'] : [],
    logLevel: 'error',
  })
  return outputFiles[0]?.text ?? ''
}

/** Bundle a module worker and start it. */
export async function startWorker(entry: string, options: WorkerOptions = {}): Promise<Worker> {
  const { with_node = false } = options
  const contents = await bundleForWorkerd(entry, options)
  const miniflare = new Miniflare({
    modules: [{ type: 'ESModule', path: 'worker.js', contents }],
    compatibilityDate: '2026-07-01',
    compatibilityFlags: with_node ? ['nodejs_compat'] : [],
    r2Buckets: ['BUCKET'],
  })
  await miniflare.ready
  return {
    async json<T>(path: string): Promise<T> {
      const response = await miniflare.dispatchFetch(`http://worker.test${path}`)
      if (!response.ok) throw new Error(`${path}: ${response.status} ${await response.text()}`)
      return (await response.json()) as T
    },
    stop: async () => miniflare.dispose(),
  }
}
