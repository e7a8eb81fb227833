/**
 * Arco's golden workspaces (`vectors/workspaces/README.md`): whole trees of keys that Arco wrote, loaded into stores
 * with the version tokens that Arco saw, so that `inflight.staged_version` names a generation that exists.
 */
import { createHash } from 'node:crypto'
import { readdirSync, readFileSync } from 'node:fs'
import { readdir, readFile, writeFile } from 'node:fs/promises'
import { join, relative } from 'node:path'
import * as z from 'zod'
import { memoryStore, type MemoryOptions, type MemoryStore } from '../../lib/store/memory.ts'
import { formatToken } from '../../lib/store/tokens.ts'
import { scopePrefix, type Scope } from '../../lib/store/scoped.ts'
import type { MaintenanceStore, Token } from '../../lib/store/types.ts'
import { folderStore, type TestStore } from './stores.ts'

/** What Arco and the specifications hand to this repository; beside it unless told. */
export const SHARED = process.env['TIDEMARK_SHARED'] ?? join(import.meta.dirname, '../../../shared')

const WORKSPACES = join(SHARED, 'vectors/workspaces')

/** One object of a tree, under its full key. */
export interface TreeObject {
  readonly key: string
  readonly bytes: Uint8Array
  /** As Arco saw it, in the reference spelling (spec/storage.md 5.3). */
  readonly token: Token
}

/** A tree as Arco left it, before anybody touches it. */
export interface WorkspaceTree {
  readonly name: string
  readonly scope: Scope
  /** `tenant=…/workspace=…/` */
  readonly prefix: string
  readonly token_style: TokenStyle
  readonly objects: readonly TreeObject[]
}

/** `s3`: the quoted MD5 of the bytes, no version. `gcs`: a decimal generation beside the ETag. */
export type TokenStyle = 's3' | 'gcs'

const Scoped = z.looseObject({ tenant: z.string(), workspace: z.string() })

/** The members of `expect.json` that every workspace has; orchestration ones have their scopes in a list. */
const Expectations = z.looseObject({
  scopes: z.tuple([Scoped], Scoped).optional(),
  token_style: z.enum(['s3', 'gcs']),
  tokens: z.record(z.string(), z.string()),
})

/** Names of the golden workspaces that start with `kind`, sorted. */
export function workspaceNames(kind: 'delta-' | 'orch-'): readonly string[] {
  return readdirSync(WORKSPACES)
    .filter((name) => name.startsWith(kind))
    .toSorted()
}

/** `expect.json` of a workspace, not checked yet. */
export function readExpectations(name: string): unknown {
  return JSON.parse(readFileSync(join(WORKSPACES, name, 'expect.json'), 'utf8'))
}

/** The tree of a workspace; `tree-before` only where there is one. */
export function readTree(name: string, folder: 'tree' | 'tree-before' = 'tree'): WorkspaceTree {
  const expectations = Expectations.parse(readExpectations(name))
  const { token_style, tokens } = expectations
  const { tenant, workspace } = expectations.scopes?.[0] ?? Scoped.parse(expectations)
  const root = join(WORKSPACES, name, folder)
  const scope = { tenant, workspace }
  const objects = readdirSync(root, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry): TreeObject => {
      const path = join(entry.parentPath, entry.name)
      const key = relative(root, path)
      const bytes = new Uint8Array(readFileSync(path))
      return { key, bytes, token: tokens[key] ?? unlistedToken(bytes, token_style) }
    })
  return { name, scope, prefix: scopePrefix(scope), token_style, objects }
}

/** The token of an object that `expect.json` leaves out: ledger and Parquet, which nobody replaces. */
function unlistedToken(bytes: Uint8Array, style: TokenStyle): Token {
  return formatToken({ e_tag: quotedMd5(bytes), version: style === 'gcs' ? '1' : null }, 'reference')
}

/** The ETag of an S3-compatible store for an object written in one part. */
export function quotedMd5(bytes: Uint8Array): string {
  return `"${createHash('md5').update(bytes).digest('hex')}"`
}

/** The tree in a fresh memory store that goes on in the same token style. */
export function memoryWorkspace(tree: WorkspaceTree, options: MemoryOptions = {}): MemoryStore {
  const store = memoryStore({
    tokens: tree.token_style === 's3' ? 'content' : 'counter',
    token_format: 'reference',
    ...options,
  })
  for (const { key, bytes, token } of tree.objects) store.seed(key, bytes, token)
  return store
}

/** The tree in a folder store over a fresh temporary folder, its generations named as Arco saw them. */
export async function folderWorkspace(tree: WorkspaceTree): Promise<TestStore & { readonly folder: string }> {
  const opened = folderStore()
  await copyInto(opened.store, opened.folder, tree)
  return opened
}

/** Put every object through the store, then give its generation Arco's token: the text of the token's own file. */
async function copyInto(store: MaintenanceStore, folder: string, tree: WorkspaceTree): Promise<void> {
  const wanted = new Map<Token, Token>()
  await Promise.all(
    tree.objects.map(async ({ key, bytes, token }) => {
      const put = await store.put(key, bytes, 'doesNotExist')
      if (put.outcome !== 'ok') throw new Error(`${key}: ${put.outcome}`)
      wanted.set(put.token, token)
    }),
  )
  const entries = await readdir(join(folder, '.arco-meta'), { recursive: true, withFileTypes: true })
  await Promise.all(
    entries
      .filter((entry) => entry.isFile())
      .map(async (entry) => {
        const path = join(entry.parentPath, entry.name)
        const token = wanted.get(await readFile(path, 'utf8'))
        if (token !== undefined) await writeFile(path, token)
      }),
  )
}

/** One object of a snapshot. */
export interface SnapshotObject {
  readonly bytes: Uint8Array
  readonly token: Token
}

/** Everything below the prefix, by relative path. */
export type Snapshot = ReadonlyMap<string, SnapshotObject>

/** What an operator would see of one scope now: relative paths, bytes, tokens. Lists, so it is for tests only. */
export async function snapshot(store: MaintenanceStore, prefix: string): Promise<Snapshot> {
  const seen = new Map<string, SnapshotObject>()
  let start_after: string | undefined
  do {
    const page = await store.listPage({
      prefix,
      limit: 1000,
      ...(start_after === undefined ? {} : { start_after }),
    })
    for (const { key } of page.objects) {
      const object = await store.get(key)
      if (object.outcome === 'ok')
        seen.set(key.slice(prefix.length), { bytes: object.bytes, token: object.token })
    }
    start_after = page.next_start_after
  } while (start_after !== undefined)
  return seen
}

/** The paths whose bytes or token differ, with the text they hold now (null: gone), sorted by path. */
export function changesBetween(before: Snapshot, after: Snapshot): Record<string, string | null> {
  const paths = [...new Set([...before.keys(), ...after.keys()])].toSorted()
  return Object.fromEntries(
    paths.flatMap((path) => {
      const old = before.get(path)
      const now = after.get(path)
      if (
        old !== undefined &&
        now !== undefined &&
        old.token === now.token &&
        sameBytes(old.bytes, now.bytes)
      )
        return []
      return [[path, now === undefined ? null : new TextDecoder().decode(now.bytes)]]
    }),
  )
}

function sameBytes(a: Uint8Array, b: Uint8Array): boolean {
  return Buffer.compare(a, b) === 0
}
