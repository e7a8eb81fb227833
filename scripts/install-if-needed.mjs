// Runs before `npm start` and `npm test`: a fresh clone has no dependencies yet, and a pull may have changed
// them. Plain JavaScript, because at this point the machine's own Node (20 or later) runs it.
import { spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, rmSync, statSync } from 'node:fs'
import { fileURLToPath } from 'node:url'

const root = fileURLToPath(new URL('..', import.meta.url))
const windows = process.platform === 'win32'

/** Modification time in ms, or null when the file does not exist. */
function modified(path) {
  return statSync(root + path, { throwIfNoEntry: false })?.mtimeMs ?? null
}

/** The lockfile is newer than what was installed from it. */
function isMissing() {
  const wanted = modified('package-lock.json')
  const installed = modified('node_modules/.package-lock.json')
  return wanted !== null && (installed === null || installed < wanted)
}

const lock = `${root}.install-lock`

/** `npm ci` empties node_modules first, so two at once would break each other: one installs, the others wait for it. */
function lockInstall() {
  for (let waited_ms = 0; ; waited_ms += 200) {
    try {
      mkdirSync(lock)
      process.once('exit', () => rmSync(lock, { recursive: true, force: true }))
      return
    } catch (error) {
      if (error.code !== 'EEXIST') throw error
    }
    const age_ms = Date.now() - (modified('.install-lock') ?? Date.now())
    // Its owner was killed, or is stuck: longer than any installation takes.
    if (age_ms > 600_000) rmSync(lock, { recursive: true, force: true })
    if (waited_ms === 0) console.error('Another process is installing dependencies; waiting for it…')
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 200)
  }
}

if (isMissing()) lockInstall()
if (isMissing()) {
  console.error('Installing dependencies (npm ci)…')
  // Development dependencies too, whatever NODE_ENV says: Node 24, which runs the sources unbuilt, is one of them.
  // No warnings, because npm compares the packages' engines with the machine's Node, which will not run them.
  const run = spawnSync(
    windows ? 'npm.cmd' : 'npm',
    ['ci', '--include=dev', '--no-audit', '--no-fund', '--loglevel=error'],
    {
      cwd: root,
      stdio: ['ignore', 2, 2],
      shell: windows,
    },
  )
  if (run.status !== 0) {
    console.error('npm ci failed; see the lines above. Tidemark needs Node 20 or later and the npm registry.')
    process.exit(run.status ?? 1)
  }
}

// The install script of the `node` package puts Node 24 where npm scripts find it first. Where install scripts are
// turned off (`ignore-scripts`), the machine's own Node runs everything and must be new enough to read TypeScript.
const bundled = existsSync(`${root}node_modules/node/bin/node${windows ? '.exe' : ''}`)
if (!bundled && Number(process.versions.node.split('.')[0]) < 24) {
  console.error(
    `Tidemark runs on Node 24 or later; this is ${process.versions.node}. npm was not allowed to install its own copy:\n` +
      'run `npm rebuild node --ignore-scripts=false`, or use a newer Node.',
  )
  process.exit(1)
}
