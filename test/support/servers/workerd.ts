/** Our own code in a real workerd: bundled as for a deployment, with an R2 bucket in memory. */
import { build } from 'esbuild'
import { Miniflare } from 'miniflare'

/** A worker that runs. */
export interface Worker {
  /** Ask it; `path` starts with a slash. */
  json<T>(path: string): Promise<T>
  stop(): Promise<void>
}

/** Bundle a module worker and start it. `with_node` is for assertions of tests, never for what is deployed. */
export async function startWorker(
  entry: string,
  options: { readonly with_node?: boolean } = {},
): Promise<Worker> {
  const { with_node = false } = options
  const bundle = await build({
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
  const miniflare = new Miniflare({
    modules: [{ type: 'ESModule', path: 'worker.js', contents: bundle.outputFiles[0]?.text ?? '' }],
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
