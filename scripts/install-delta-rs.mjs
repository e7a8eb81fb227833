// Runs before `npm test`: delta-rs, another implementation of Delta Lake, and two of Parquet, which the tests let read what
// we wrote. They come from PyPI into a virtual environment of their own in .servers/delta-rs. Without Python their tests are
// skipped and counted as skipped; nothing here makes `npm test` fail. Plain JavaScript, because the machine's own Node may
// run it.
import { spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { takeLock } from './lock.mjs'

/** Exact versions, those that deltalake itself needs included. arro3-io is the Rust crate `parquet`, pyarrow is C++. */
const PACKAGES = [
  'deltalake==1.6.6',
  'arro3-core==0.9.1',
  'arro3-io==0.9.1',
  'pyarrow==26.0.1',
  'Deprecated==1.3.1',
  'typing_extensions==4.16.0',
  'wrapt==2.5.2',
]

const root = fileURLToPath(new URL('..', import.meta.url))
const folder = `${root}.servers/delta-rs`
/** Written last: says that everything is there, and which versions. */
const stamp = `${folder}/packages.txt`
const wanted = PACKAGES.join('\n')

function isMissing() {
  return !existsSync(stamp) || readFileSync(stamp, 'utf8') !== wanted
}

/** True when the command ended with 0; what it says goes to stderr. */
function run(command, args) {
  return spawnSync(command, args, { stdio: ['ignore', 2, 2] }).status === 0
}

function install() {
  console.error('Installing delta-rs and Parquet readers for the tests (pip; a minute, once)…')
  rmSync(folder, { recursive: true, force: true })
  const pip = ['-m', 'pip', 'install', '--quiet', '--no-deps', '--only-binary', ':all:', ...PACKAGES]
  if (run('python3', ['-m', 'venv', folder]) && run(`${folder}/bin/python`, pip)) writeFileSync(stamp, wanted)
  else console.error('delta-rs could not be installed; its tests are skipped.')
}

if (isMissing()) {
  if (spawnSync('python3', ['--version']).status !== 0) {
    console.error('Python 3 is not installed: the tests with delta-rs are skipped.')
  } else {
    mkdirSync(`${root}.servers`, { recursive: true })
    takeLock(`${root}.servers/delta-rs-lock`, {
      waiting: 'Another process is installing delta-rs; waiting for it…',
      stuck_ms: 600_000,
    })
    if (isMissing()) install()
  }
}
