/** `npm run build:lambda` and `build:gcf`: what is uploaded loads by itself and answers. */
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { beforeAll, describe, expect, test } from 'vitest'
import packageJson from '../../package.json' with { type: 'json' }
import { bundle } from '../../scripts/build.ts'
import { userOf } from '../support/deployment.ts'
import { EVENTS, type LambdaResult } from '../support/lambda-events.ts'
import { runCommand } from '../support/process.ts'
import { freshId, freshPayload } from '../support/service.ts'
import { SMOKE_ENV } from './smoke.ts'

/** What a function may weigh; the platform takes five times as much, but a start reads all of it. */
const BUNDLE_BYTES_MAX = 10 * 1024 * 1024

/** The AWS SDK asks for it only to sign for several regions at once, and does without it otherwise. */
const OPTIONAL = '@aws-sdk/signature-v4-crt'

let folder: string
beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'tidemark-bundles-'))
  await Promise.all([bundle('lambda', folder), bundle('gcf', folder)])
  return () => rmSync(folder, { recursive: true, force: true })
}, 60_000)

test('the scripts that the pages name are there', () => {
  expect(packageJson.scripts).toMatchObject({
    'build:lambda': 'node scripts/build.ts lambda',
    'build:gcf': 'node scripts/build.ts gcf',
  })
})

test.each(['lambda', 'gcf'])('%s: one file and its package.json, with everything in it', (target) => {
  const code = readFileSync(join(folder, target, 'index.js'), 'utf8')
  expect(code.length).toBeLessThan(BUNDLE_BYTES_MAX)
  // Whatever is required is Node's own.
  const required = new Set(Array.from(code.matchAll(/[^.\w]require\("([^"]+)"\)/g), ([, name = '']) => name))
  const foreign = [...required].filter((name) => !process.getBuiltinModule(name) && name !== OPTIONAL)
  expect(foreign).toEqual([])
})

describe('lambda', () => {
  test('loads far from any node_modules, and commits', async () => {
    const events = await commitEvents()
    const script = join(folder, 'invoke.cjs')
    writeFileSync(
      script,
      `const { handler } = require('./lambda/index.js')
const events = ${JSON.stringify(events)}
;(async () => {
  const staged = await handler(events.stage)
  const body = JSON.stringify({ ...JSON.parse(events.commit.body), ...JSON.parse(staged.body) })
  const results = [staged, await handler({ ...events.commit, body }), await handler({ ...events.commit, body })]
  require('node:fs').writeFileSync('results.json', JSON.stringify(results))
})()
`,
    )
    const { code, stderr } = await runCommand({
      command: process.execPath,
      args: [script],
      cwd: folder,
      env: { ...SMOKE_ENV, ARCO_STORAGE_BUCKET: 'memory:' },
    })
    expect([code, stderr]).toEqual([0, ''])
    const results = JSON.parse(readFileSync(join(folder, 'results.json'), 'utf8')) as LambdaResult[]
    expect(results.map(({ statusCode }) => statusCode)).toEqual([200, 200, 200])
    expect(results[2]?.body).toBe(results[1]?.body)
  })
})

describe('gcf', () => {
  test('its package.json names the bundle and the framework that the platform needs', () => {
    const manifest = JSON.parse(readFileSync(join(folder, 'gcf/package.json'), 'utf8'))
    expect(existsSync(join(folder, 'gcf', manifest.main))).toBe(true)
    expect(manifest.dependencies).toEqual({
      '@google-cloud/functions-framework': packageJson.devDependencies['@google-cloud/functions-framework'],
    })
    expect(manifest.type).toBe('commonjs')
  })
})

async function commitEvents(): Promise<Record<'stage' | 'commit', Readonly<Record<string, unknown>>>> {
  const path = `/api/v1/delta/tables/${freshId()}/commits`
  const token = await userOf('acme')
  const event = async (to: string, body: unknown): Promise<Readonly<Record<string, unknown>>> =>
    EVENTS.url.toEvent(
      new Request(`${EVENTS.url.base}${to}`, {
        method: 'POST',
        headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
        body: JSON.stringify(body),
      }),
    )
  return {
    stage: await event(`${path}/stage`, { payload: freshPayload() }),
    commit: await event(path, { read_version: -1, idempotency_key: freshId() }),
  }
}
