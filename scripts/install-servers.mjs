// Runs before `npm test`: the object-store servers that the tests start, built from exact versions by `go install` into
// .servers/bin. Without Go their tests are skipped and counted as skipped; nothing here makes `npm test` fail.
// Plain JavaScript, because the machine's own Node (20 or later) may run it.
import { spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { takeLock } from './lock.mjs'

const SERVERS = [
  { name: 'minio', module: 'github.com/minio/minio@v0.0.0-20260212201848-7aac2a2c5b7c' },
  { name: 'fake-gcs-server', module: 'github.com/fsouza/fake-gcs-server@v1.56.1' },
]

const root = fileURLToPath(new URL('..', import.meta.url))
const folder = `${root}.servers/bin`
const suffix = process.platform === 'win32' ? '.exe' : ''

/** The stamp says which version the binary is, so that another pin installs again. */
function isMissing({ name, module }) {
  const stamp = `${folder}/${name}.version`
  return (
    !existsSync(`${folder}/${name}${suffix}`) || !existsSync(stamp) || readFileSync(stamp, 'utf8') !== module
  )
}

function install({ name, module }) {
  console.error(`Installing ${name} for the tests (go install; about three minutes, once)…`)
  const run = spawnSync('go', ['install', module], {
    cwd: folder,
    stdio: ['ignore', 2, 2],
    env: {
      ...process.env,
      GOBIN: folder,
      CGO_ENABLED: '0',
      GOFLAGS: `${process.env.GOFLAGS ?? ''} -trimpath`.trim(),
    },
  })
  if (run.status === 0) writeFileSync(`${folder}/${name}.version`, module)
  else
    console.error(
      `go install ${module} failed; the tests over ${name} are skipped unless an older one is there.`,
    )
}

const missing = SERVERS.filter(isMissing)
const has_go = missing.length > 0 && spawnSync('go', ['version']).status === 0
const absent = missing.filter(({ name }) => !existsSync(`${folder}/${name}${suffix}`))
if (absent.length > 0 && !has_go) {
  const names = absent.map(({ name }) => name).join(' and ')
  console.error(`Go is not installed: ${names} cannot be built, their tests are skipped.`)
}
if (has_go) {
  mkdirSync(folder, { recursive: true })
  takeLock(`${root}.servers/lock`, {
    waiting: 'Another process is installing servers; waiting for it…',
    stuck_ms: 1_800_000,
  })
  for (const server of missing.filter(isMissing)) install(server)
}
