/** Tidemark in workerd, the runtime of Workers: the real bundle, configured as wrangler.toml says, over an R2 binding. */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { basename, join } from 'node:path'
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
  /** Nothing but the names of its settings. */
  readonly settings: readonly string[]
  readonly text: string
}

/** Read it. */
export function wranglerConfig(): WranglerConfig {
  const text = readFileSync(join(REPOSITORY, 'wrangler.toml'), 'utf8')
  const value = (name: string): string => new RegExp(`^${name} = "([^"]*)"$`, 'm').exec(text)?.[1] ?? ''
  const vars = /^\[vars\]\n((?:(?:\w+ = "[^"]*"|#.*)\n)*)/m.exec(text)?.[1] ?? ''
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
    text,
    settings: Array.from(text.matchAll(/^(\w+) = /gm), ([, name = '']) => name),
  }
}

/** A bundle on disk. */
export interface WorkerBundle {
  /** Where its first module is; the others lie beside it. */
  readonly path: string
  /** All of them, the first one first. */
  readonly modules: readonly WorkerModule[]
  /** Those that a start reads: the first one, and what it imports. */
  readonly read_at_start: readonly WorkerModule[]
  /** Modules of others that it imports at run time. */
  readonly imports: readonly string[]
  remove(): void
}

/** One file of a bundle. */
export interface WorkerModule {
  readonly name: string
  readonly code: string
}

/** Bundle the worker with the settings of `npm run deploy`'s bundler. */
export async function bundleWorker(): Promise<WorkerBundle> {
  const folder = mkdtempSync(join(tmpdir(), 'tidemark-worker-'))
  const { outputs } = await bundle('worker', folder)
  const files = Object.entries(outputs).map(([path, { imports }]) => ({ name: basename(path), imports }))
  const named = (name: string): WorkerModule => ({
    name,
    code: readFileSync(join(folder, 'worker', name), 'utf8'),
  })
  const at_start = new Set(['index.js'])
  // A set that grows while it is walked: imports of imports.
  for (const name of at_start) {
    for (const { path, kind, external } of files.find((file) => file.name === name)?.imports ?? []) {
      if (kind === 'import-statement' && external !== true) at_start.add(basename(path))
    }
  }
  const others = files.map(({ name }) => name).filter((name) => name !== 'index.js')
  return {
    path: join(folder, 'worker/index.js'),
    modules: ['index.js', ...others].map(named),
    read_at_start: [...at_start].map(named),
    imports: files.flatMap(({ imports }) =>
      imports.filter(({ external }) => external === true).map(({ path }) => path),
    ),
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
  { modules }: Pick<WorkerBundle, 'modules'>,
  env: Readonly<Record<string, string>>,
): Promise<Worker> {
  const { compatibility_date, binding } = wranglerConfig()
  const printed: string[] = []
  const miniflare = new Miniflare({
    modules: modules.map(({ name, code }) => ({ type: 'ESModule' as const, path: name, contents: code })),
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
