/** Tidemark in workerd, the runtime of Workers: the real bundle, configured as wrangler.toml says, over an R2 binding. */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Readable } from 'node:stream'
import { Miniflare } from 'miniflare'
import { r2Store, type R2BucketBinding } from '../../lib/store/r2.ts'
import type { MaintenanceStore } from '../../lib/store/types.ts'
import { bundle } from '../../scripts/build.ts'
import { REPOSITORY } from '../house/tools.ts'

/** wrangler.toml, as far as a worker is told by it. */
export interface WranglerConfig {
  readonly main: string
  readonly compatibility_date: string
  readonly binding: string
  readonly crons: readonly string[]
  readonly vars: Readonly<Record<string, string>>
  /** Every setting as it is written, quotes included. */
  readonly settings: Readonly<Record<string, string>>
}

/** Read it. */
export function wranglerConfig(): WranglerConfig {
  const text = readFileSync(join(REPOSITORY, 'wrangler.toml'), 'utf8')
  const value = (name: string): string => new RegExp(`^${name} = "([^"]*)"$`, 'm').exec(text)?.[1] ?? ''
  const vars = /^\[vars\]\n((?:\w+ = "[^"]*"\n)*)/m.exec(text)?.[1] ?? ''
  return {
    main: value('main'),
    compatibility_date: value('compatibility_date'),
    binding: value('binding'),
    crons: Array.from(
      /^crons = \[(.*)\]$/m.exec(text)?.[1]?.matchAll(/"([^"]*)"/g) ?? [],
      ([, cron = '']) => cron,
    ),
    vars: Object.fromEntries(
      Array.from(vars.matchAll(/^(\w+) = "([^"]*)"$/gm), ([, name, text_]) => [name, text_]),
    ),
    settings: Object.fromEntries(
      Array.from(text.matchAll(/^(\w+) = (.*)$/gm), ([, name, written]) => [name, written]),
    ),
  }
}

/** A bundle on disk. */
export interface WorkerBundle {
  readonly path: string
  readonly code: string
  /** Modules that it imports at run time. */
  readonly imports: readonly string[]
  remove(): void
}

/** Bundle the worker with the settings of the bundler in `wrangler deploy`. */
export async function bundleWorker(): Promise<WorkerBundle> {
  const folder = mkdtempSync(join(tmpdir(), 'tidemark-worker-'))
  const { outputs } = await bundle('worker', folder)
  const path = join(folder, 'worker/index.js')
  return {
    path,
    code: readFileSync(path, 'utf8'),
    imports: Object.values(outputs).flatMap(({ imports }) => imports.map((each) => each.path)),
    remove: () => rmSync(folder, { recursive: true, force: true }),
  }
}

/** A worker that runs. */
export interface Worker {
  /** `http://127.0.0.1:PORT` */
  readonly base: string
  readonly miniflare: Miniflare
  /** Its bucket, from outside. */
  readonly store: MaintenanceStore
  /** What it printed so far. */
  log(): readonly Readonly<Record<string, unknown>>[]
  stop(): Promise<void>
}

/** Start the bundle with these variables and secrets. */
export async function startWorker(
  { code }: Pick<WorkerBundle, 'code'>,
  env: Readonly<Record<string, string>>,
): Promise<Worker> {
  const { compatibility_date, binding } = wranglerConfig()
  const printed: string[] = []
  const miniflare = new Miniflare({
    modules: [{ type: 'ESModule', path: 'index.js', contents: code }],
    compatibilityDate: compatibility_date,
    bindings: { ...env },
    r2Buckets: { [binding]: 'tidemark' },
    host: '127.0.0.1',
    port: 0,
    handleRuntimeStdio(stdout: Readable, stderr: Readable) {
      for (const stream of [stdout, stderr])
        stream.setEncoding('utf8').on('data', (text: string) => printed.push(text))
    },
  })
  const url = await miniflare.ready
  const bucket = await miniflare.getR2Bucket(binding)
  return {
    base: url.origin,
    miniflare,
    store: r2Store(bucket as unknown as R2BucketBinding),
    log: () =>
      printed
        .join('')
        .split('\n')
        .filter((line) => line.startsWith('{'))
        .map((line) => JSON.parse(line) as Readonly<Record<string, unknown>>),
    stop: async () => miniflare.dispose(),
  }
}
