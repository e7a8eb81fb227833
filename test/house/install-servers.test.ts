/** scripts/install-servers.mjs in a folder of its own, with a `go` that only says what it was asked for. */
import {
  chmodSync,
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { runCommand, type Ended } from '../support/process.ts'
import { REPOSITORY } from './tools.ts'

let root: string

beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'tidemark-servers-'))
  mkdirSync(join(root, 'scripts'))
  mkdirSync(join(root, 'path'))
  for (const name of ['install-servers.mjs', 'lock.mjs']) {
    cpSync(join(REPOSITORY, 'scripts', name), join(root, 'scripts', name))
  }
})

afterEach(() => rmSync(root, { recursive: true, force: true }))

/** Writes down each install, and makes the file that it would have built unless `fails`. */
function putGo(fails = false): void {
  const go = `#!/bin/sh
[ "$1" = version ] && exit 0
echo "$* GOFLAGS=$GOFLAGS" >> '${root}/asked'
/bin/sleep 0.2
name=\${2%%@*}
${fails ? 'exit 1' : 'echo built > "$GOBIN/${name##*/}"'}
`
  writeFileSync(join(root, 'path', 'go'), go)
  chmodSync(join(root, 'path', 'go'), 0o755)
}

async function install(): Promise<Ended> {
  const PATH = join(root, 'path')
  return runCommand({
    command: process.execPath,
    args: [join(root, 'scripts', 'install-servers.mjs')],
    cwd: root,
    env: { PATH, GOFLAGS: '' },
  })
}

const asked = (): string[] =>
  existsSync(join(root, 'asked')) ? readFileSync(join(root, 'asked'), 'utf8').trim().split('\n') : []

test('a machine without go is told so in one line, and its tests can run', async () => {
  const { code, stdout, stderr } = await install()
  expect({ code, stdout, stderr }).toEqual({
    code: 0,
    stdout: '',
    stderr: 'Go is not installed: minio and fake-gcs-server cannot be built, their tests are skipped.\n',
  })
})

test('each server is built once, at an exact version', async () => {
  putGo()
  expect((await install()).code).toBe(0)
  expect(asked()).toEqual([
    'install github.com/minio/minio@v0.0.0-20260212201848-7aac2a2c5b7c GOFLAGS=-trimpath',
    'install github.com/fsouza/fake-gcs-server@v1.56.1 GOFLAGS=-trimpath',
  ])
  expect(existsSync(join(root, '.servers', 'bin', 'minio'))).toBe(true)
  const again = await install()
  expect({ code: again.code, stderr: again.stderr }).toEqual({ code: 0, stderr: '' })
  expect(asked()).toHaveLength(2)
})

test('of two at once one builds and the other waits for it', async () => {
  putGo()
  const both = await Promise.all([install(), install()])
  expect(both.map(({ code }) => code)).toEqual([0, 0])
  expect(asked()).toHaveLength(2)
})

test('another pin builds again', async () => {
  putGo()
  await install()
  writeFileSync(join(root, '.servers', 'bin', 'minio.version'), 'github.com/minio/minio@v0.0.0-old')
  await install()
  expect(asked()).toHaveLength(3)
})

test('a build that fails is no failure of npm test', async () => {
  putGo(true)
  const { code, stderr } = await install()
  expect(code).toBe(0)
  expect(stderr).toContain('go install github.com/fsouza/fake-gcs-server@v1.56.1 failed')
  expect(existsSync(join(root, '.servers', 'bin', 'minio.version'))).toBe(false)
})
