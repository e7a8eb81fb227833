/**
 * `npm run build:lambda`, `build:gcf`, `build:worker`: bundles for the platforms that want them, into `dist/`. Node, Deno and
 * the container run the sources as they stand.
 */
import { mkdir, rm, writeFile } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { build, type BuildOptions, type Metafile } from 'esbuild'
import packageJson from '../package.json' with { type: 'json' }

const ROOT = resolve(import.meta.dirname, '..')

/** What can be bundled. */
export type Target = 'lambda' | 'gcf' | 'worker'

/** Node's modules are there, and are not bundled. */
const ON_NODE = { platform: 'node', target: 'node24', format: 'cjs' } as const satisfies BuildOptions

const OPTIONS: Record<Target, BuildOptions & { readonly entryPoints: readonly [string] }> = {
  lambda: { ...ON_NODE, entryPoints: ['functions/entry/lambda.ts'] },
  gcf: { ...ON_NODE, entryPoints: ['functions/entry/gcf.ts'] },
  // Several modules: a start reads `index.js` and what that imports, and the compactor when it is first asked for.
  worker: {
    platform: 'browser',
    conditions: ['workerd', 'worker', 'browser'],
    target: 'es2024',
    format: 'esm',
    splitting: true,
    minify: true,
    define: { 'navigator.userAgent': '"Cloudflare-Workers"' },
    entryPoints: ['functions/entry/worker.ts'],
  },
}

/** What the platform reads beside the bundle. */
const MANIFESTS: Partial<Record<Target, Readonly<Record<string, unknown>>>> = {
  lambda: { type: 'commonjs' },
  gcf: {
    name: 'tidemark',
    version: packageJson.version,
    private: true,
    type: 'commonjs',
    main: 'index.js',
    dependencies: {
      '@google-cloud/functions-framework': packageJson.devDependencies['@google-cloud/functions-framework'],
    },
  },
}

/** Bundle one target below `folder`; what went into it. */
export async function bundle(target: Target, folder: string = join(ROOT, 'dist')): Promise<Metafile> {
  const options = OPTIONS[target]
  const home = join(folder, target)
  await rm(home, { recursive: true, force: true })
  await mkdir(home, { recursive: true })
  const { metafile } = await build({
    ...options,
    entryPoints: [...options.entryPoints],
    outdir: home,
    entryNames: 'index',
    absWorkingDir: ROOT,
    bundle: true,
    metafile: true,
    logLevel: 'warning',
  })
  const manifest = MANIFESTS[target]
  if (manifest !== undefined) {
    await writeFile(join(home, 'package.json'), `${JSON.stringify(manifest, null, 2)}\n`)
  }
  return metafile
}

if (import.meta.main) {
  const target = process.argv[2]
  if (target === 'lambda' || target === 'gcf' || target === 'worker') {
    await bundle(target)
    process.stderr.write(`dist/${target}\n`)
  } else {
    process.stderr.write('expected lambda, gcf or worker\n')
    process.exitCode = 1
  }
}
