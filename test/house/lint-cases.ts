/** The table behind lint.test.ts: what may not be written where, and the rule that says so. */

/** One file that the linter must refuse, for this rule and no other. */
export interface LintCase {
  readonly promise: string
  /** Where the file would stand in the repository; `subject` gets a number, so that all cases fit in one tree. */
  readonly path: string
  readonly code: string
  /** The rule's name as oxlint prints it: `plugin(rule)`. */
  readonly rule: string
}

const PROTOCOL = 'lib/protocol/delta/subject.ts'
const DRIVER = 'lib/store/fs-subject.ts'
const DRIVER_PART = 'lib/store/fs/subject.ts'
const HANDLER = 'functions/subject.ts'
const GATES = 'lib/gates/subject.ts'
const ENTRY = 'functions/entry/subject.ts'

const documented = (declaration: string): string => `/** Under test. */\nexport ${declaration}\n`

/** An import of everything in `source`, used once. */
const importing = (source: string): string =>
  `import * as subject from '${source}'\n${documented('const used: unknown = subject')}`

/** An expression that a protocol function returns. */
const returning = (expression: string): string =>
  documented(`function f(): unknown {\n  return ${expression}\n}`)

const direction = (path: string, source: string): LintCase => ({
  promise: `${path} must not import ${source}`,
  path,
  code: importing(source),
  rule: 'house(import-direction)',
})

const impure = (expression: string, rule: string): LintCase => ({
  promise: `lib/protocol must not use ${expression}`,
  path: PROTOCOL,
  code: returning(expression),
  rule,
})

const GLOBALS = [
  'fetch("http://localhost")',
  'globalThis.fetch',
  'process.env',
  'Buffer.from("a")',
  'setTimeout(f, 1)',
  'setInterval(f, 1)',
  'setImmediate(f)',
  'queueMicrotask(f)',
  'performance.now()',
]
const AMBIENT = [
  'Date.now()',
  'Math.random()',
  'crypto.randomUUID()',
  'crypto.getRandomValues(new Uint8Array(1))',
]

/** Which way imports point (style.md). */
const DIRECTIONS: readonly LintCase[] = [
  direction(PROTOCOL, 'node:fs'),
  direction(PROTOCOL, 'node:crypto'),
  direction(PROTOCOL, 'hono'),
  direction(PROTOCOL, '@hono/node-server'),
  direction(PROTOCOL, '@aws-sdk/client-s3'),
  direction(PROTOCOL, '@google-cloud/storage'),
  direction(PROTOCOL, '@logtape/logtape'),
  direction(PROTOCOL, '../../store/memory.ts'),
  direction(PROTOCOL, '../../store/fs/sidecar.ts'),
  direction(PROTOCOL, '../../../functions/app.ts'),
  {
    promise: 'lib/protocol must not import node:fs dynamically',
    path: PROTOCOL,
    code: returning("import('node:fs')"),
    rule: 'house(import-direction)',
  },
  {
    promise: 'lib/protocol must not re-export a driver',
    path: PROTOCOL,
    code: "export { memoryStore } from '../../store/memory.ts'\n",
    rule: 'house(import-direction)',
  },
  {
    promise: 'lib/protocol must not name the type of a driver',
    path: PROTOCOL,
    code: documented("type Driver = import('../../store/memory.ts').Driver"),
    rule: 'typescript(consistent-type-imports)',
  },
  direction(DRIVER, './memory.ts'),
  direction(DRIVER_PART, '../memory.ts'),
  direction(DRIVER, '../protocol/paths.ts'),
  direction(DRIVER, '../../functions/app.ts'),
  direction('lib/store/tokens.ts', 'node:crypto'),
  direction('lib/store/keys.ts', './memory.ts'),
  direction(HANDLER, 'node:fs'),
  direction(HANDLER, '@hono/node-server'),
  direction(HANDLER, 'hono/cloudflare-workers'),
  direction(HANDLER, '@aws-sdk/client-s3'),
  direction(HANDLER, '../lib/store/memory.ts'),
  direction(HANDLER, './entry/node.ts'),
  direction(GATES, 'node:fs'),
  direction(GATES, '../store/memory.ts'),
  direction(GATES, '../../functions/environment.ts'),
  direction(PROTOCOL, '../../gates/gate.ts'),
]

/** Purity of lib/protocol. */
const PURITY: readonly LintCase[] = [
  ...GLOBALS.map((expression) => impure(expression, 'eslint(no-restricted-globals)')),
  ...AMBIENT.map((expression) => impure(expression, 'eslint(no-restricted-properties)')),
  impure('new Date()', 'house(no-ambient-date)'),
  impure('Date()', 'house(no-ambient-date)'),
  {
    promise: 'lib/protocol must not wait: no async functions outside run.ts',
    path: PROTOCOL,
    code: documented('async function f(): Promise<number> {\n  return 1\n}'),
    rule: 'oxc(no-async-await)',
  },
  {
    promise: 'protocol code must not see the listing interface',
    path: PROTOCOL,
    code: `import type { MaintenanceStore } from '../../store/types.ts'\n${documented('type S = MaintenanceStore')}`,
    rule: 'eslint(no-restricted-imports)',
  },
  {
    promise: 'a request handler must not see the listing interface',
    path: HANDLER,
    code: `import type { MaintenanceStore } from '../lib/store/types.ts'\n${documented('type S = MaintenanceStore')}`,
    rule: 'eslint(no-restricted-imports)',
  },
]

/** What style.md says is never written. */
const STYLE: readonly LintCase[] = [
  {
    promise: 'nothing is any',
    path: HANDLER,
    code: documented('type A = any'),
    rule: 'typescript(no-explicit-any)',
  },
  {
    promise: 'nothing is any by inference',
    path: HANDLER,
    code: documented('function f(): string {\n  return JSON.parse("1")\n}'),
    rule: 'typescript(no-unsafe-return)',
  },
  {
    promise: 'no non-null assertion',
    path: HANDLER,
    code: documented('function f(a: string | null): string {\n  return a!\n}'),
    rule: 'typescript(no-non-null-assertion)',
  },
  {
    promise: 'no floating promise',
    path: HANDLER,
    code: documented('function f(a: Promise<void>): void {\n  a.finally(() => undefined)\n}'),
    rule: 'typescript(no-floating-promises)',
  },
  {
    promise: 'a switch over a union has every case',
    path: HANDLER,
    code: documented(
      "function f(a: 'x' | 'y'): number {\n  switch (a) {\n    case 'x':\n      return 1\n  }\n  return 2\n}",
    ),
    rule: 'typescript(switch-exhaustiveness-check)',
  },
  {
    promise: 'a switch over a union has no default that hides a missing case',
    path: HANDLER,
    code: documented(
      "function f(a: 'x' | 'y'): number {\n  switch (a) {\n    case 'x':\n      return 1\n    default:\n      return 2\n  }\n}",
    ),
    rule: 'typescript(switch-exhaustiveness-check)',
  },
  {
    promise: 'a switch over a union has no superfluous default',
    path: HANDLER,
    code: documented(
      "function f(a: 'x'): number {\n  switch (a) {\n    case 'x':\n      return 1\n    default:\n      return 2\n  }\n}",
    ),
    rule: 'typescript(switch-exhaustiveness-check)',
  },
  {
    promise: 'S32 no Math.random outside tests, not even in a driver',
    path: DRIVER,
    code: returning('Math.random()'),
    rule: 'eslint(no-restricted-properties)',
  },
  {
    promise: 'S9 secrets are not compared with ===',
    path: HANDLER,
    code: documented(
      'function f(given_secret: string, b: string): boolean {\n  return given_secret === b\n}',
    ),
    rule: 'house(no-secret-compare)',
  },
  {
    promise: 'V-1 version tokens are not compared with !==',
    path: PROTOCOL,
    code: documented('function f(a: { token: string }, b: string): boolean {\n  return b !== a.token\n}'),
    rule: 'house(no-secret-compare)',
  },
  {
    promise: 'types are imported as types',
    path: HANDLER,
    code: `import { Store } from '../lib/store/types.ts'\n${documented('type S = Store')}`,
    rule: 'typescript(consistent-type-imports)',
  },
  {
    promise: 'zod is imported as a namespace',
    path: HANDLER,
    code: `import { z } from 'zod'\n${documented('const used: unknown = z')}`,
    rule: 'house(zod-namespace)',
  },
  {
    promise: 'every export has a doc comment',
    path: HANDLER,
    code: '// Only a remark.\nexport const a = 1\n',
    rule: 'house(doc-comment)',
  },
  {
    promise: 'a file without exports says what it is for',
    path: ENTRY,
    code: 'process.exitCode = 0\n',
    rule: 'house(doc-comment)',
  },
]

/** Every refusal that the lint configuration promises. */
export const REFUSED: readonly LintCase[] = [...DIRECTIONS, ...PURITY, ...STYLE]

/** Code next to each of those rules that must stay allowed. */
export const ALLOWED: readonly Pick<LintCase, 'promise' | 'path' | 'code'>[] = [
  {
    promise: 'lib/protocol may use the words of lib/store, zod, Web Crypto and dates made from a number',
    path: PROTOCOL,
    code: `import * as z from 'zod'
import type { Store } from '../../store/types.ts'

/** The schema and its type share one comment. */
export const Name = z.string()
export type Name = z.infer<typeof Name>

/** Constants that stand together share one, too. */
export const LEAST = 1
export const MOST = 2

/** Absence is not a secret. */
export function has(a: { token?: string }, store: Store): boolean {
  return a.token !== undefined && store.capabilities.meta
}

/** Arithmetic, not a clock. */
export function day(ms: number): string {
  return new Date(ms).toISOString().slice(0, 10)
}
`,
  },
  {
    promise: 'lib/protocol/run.ts may wait',
    path: 'lib/protocol/run.ts',
    code: documented('async function run(a: Promise<number>): Promise<number> {\n  return (await a) + 1\n}'),
  },
  {
    promise: 'a driver may use Node, its SDK and its own files',
    path: DRIVER,
    code: `import * as fs from 'node:fs'\nimport * as own from './fs/sidecar.ts'\n${documented('const used: unknown[] = [fs, own]')}`,
  },
  {
    promise: 'a handler may use Hono and the protocol',
    path: HANDLER,
    code: `import * as hono from 'hono'\nimport * as paths from '../lib/protocol/paths.ts'\n${documented('const used: unknown[] = [hono, paths]')}`,
  },
  {
    promise: 'an entry file may import everything',
    path: ENTRY,
    code: `import * as fs from 'node:fs'\nimport * as server from '@hono/node-server'\nimport * as memory from '../../lib/store/memory.ts'\n${documented('const used: unknown[] = [fs, server, memory]')}`,
  },
  {
    promise: 'tests may be random',
    path: 'test/store/subject.test.ts',
    code: 'export const seed = Math.random()\n',
  },
]
