/** An operator who knows nothing but what a finding says: its request is sent as it is written, its object put back. */
import type { Resolution } from '../faults/fault.ts'
import type { Finding } from '../../lib/protocol/maintenance/finding.ts'
import type { MemoryStore } from '../../lib/store/memory.ts'
import type { StoredObject } from '../../lib/store/types.ts'
import type { TestClock, TestService } from './service.ts'

/** What an operator works on. */
export interface Deployment {
  readonly service: TestService
  readonly store: MemoryStore
  readonly clock: TestClock
}

/** A copy of the bucket from before something was planted. */
export type Backup = ReadonlyMap<string, StoredObject>

/** Take one. */
export function backupOf({ store }: Deployment): Backup {
  const copies = [...store.dump().keys()].map((key) => [key, store.peek(key)] as const)
  return new Map(copies.flatMap(([key, object]) => (object === null ? [] : [[key, object]])))
}

/** Every finding of a verify, page by page. */
export async function findingsAt({ service }: Deployment, path: string): Promise<readonly Finding[]> {
  const findings: Finding[] = []
  let cursor: string | null = null
  do {
    const query: string = cursor === null ? '' : `?cursor=${encodeURIComponent(cursor)}`
    const { status, body } = await service.request('GET', path + query)
    if (status !== 200) throw new Error(JSON.stringify(body))
    findings.push(...(body.findings as Finding[]))
    cursor = body.next
  } while (cursor !== null)
  return findings
}

/** The request that a suggestion contains, or null. */
export function requestIn(next: string): { readonly path: string; readonly body: string } | null {
  const [, path, body] = /(?:^|: |then |with )POST (\/\S+) (\{.*\})/.exec(next) ?? []
  return path === undefined || body === undefined ? null : { path, body }
}

/** Do what the first finding says, and nothing else; throws when its text does not say it, or what it says is refused. */
export async function follow<World extends Deployment>(
  world: World,
  resolved_by: Resolution<World>,
  next: string,
  backup: Backup,
): Promise<void> {
  if (resolved_by === 'request') return sendRequest(world, next)
  if (resolved_by === 'restore') return restore(world, backup, next)
  if (resolved_by === 'delete') return discard(world, next)
  if (!next.includes(resolved_by.step)) throw new Error(`expected "${resolved_by.step}", got: ${next}`)
  if (requestIn(next) !== null)
    throw new Error(`expected no request, because a step by hand is taken: ${next}`)
  await resolved_by.act(world)
}

/** Wait as long as a suggestion says, store the list that it asks for, and send its request. */
export async function sendRequest(deployment: Deployment, next: string): Promise<void> {
  const { service, clock } = deployment
  const request = requestIn(next)
  if (request === null) throw new Error(`expected a request, got: ${next}`)
  const [, at] = /Wait until (\S+), then/.exec(next) ?? []
  if (at !== undefined) clock.now_ms = Date.parse(at)
  const [, list] =
    /Store (?:the list of all events|a list of all events|their list) under (\S+), then/.exec(next) ?? []
  if (list !== undefined) storeList(deployment, named(list))
  const { status, body } = await service.request('POST', request.path, JSON.parse(named(request.body)))
  if (status !== 200) throw new Error(`${next} was answered ${status}: ${JSON.stringify(body)}`)
}

/** The place of a name that an operator chooses. */
function named(text: string): string {
  return text.replaceAll('{name}', '20260221-repair')
}

function storeList({ store, service }: Deployment, path: string): void {
  const event_paths = [...store.dump().keys()]
    .map((key) => key.slice(service.prefix.length))
    .filter((key) => key.startsWith('ledger/'))
  store.seed(service.prefix + path, new TextEncoder().encode(JSON.stringify({ event_paths })))
}

const RESTORE = /^(?:Restore|Put) (?:the previous generation of )?(\S+?)[.;:,]?(?=\s|$)/
const DELETE = /^Delete (\S+?)[.;:,]?(?=\s|$)/

/** Put back the object that a suggestion names. */
function restore({ store, service }: Deployment, backup: Backup, next: string): void {
  const key = service.prefix + objectIn(RESTORE, next)
  const object = backup.get(key)
  if (object === undefined) throw new Error(`there never was ${key}`)
  const { bytes, token, meta, last_modified_ms } = object
  store.seed(key, bytes, token, {
    ...(meta === undefined ? {} : { meta }),
    ...(last_modified_ms === undefined ? {} : { last_modified_ms }),
  })
}

/** Delete the object that a suggestion names. */
function discard({ store, service }: Deployment, next: string): void {
  const key = service.prefix + objectIn(DELETE, next)
  if (store.peek(key) === null) throw new Error(`there is no ${key}`)
  store.remove(key)
}

function objectIn(pattern: RegExp, next: string): string {
  const [, path] = pattern.exec(next) ?? []
  if (path === undefined || !path.includes('/'))
    throw new Error(`expected the name of an object, got: ${next}`)
  return path
}
