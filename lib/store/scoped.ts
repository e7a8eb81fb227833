/**
 * The view of one tenant's workspace: relative paths in, relative paths out, and no way to name anything else
 * (spec/storage.md 2). Request handlers get `scopedStore`, which has no list and no delete even at run time.
 */
import { checkKey, checkListPrefix } from './keys.ts'
import { StoreError } from './types.ts'
import type { ListedObject, ListPage, ListRequest, MaintenanceStore, Store } from './types.ts'

/** One tenant's workspace; both ids as they appear in keys. */
export interface Scope {
  readonly tenant: string
  readonly workspace: string
}

/** Whether `id` may name a tenant or a workspace (S-2). Nothing is lower-cased here (S-3). */
export function isScopeId(id: string): boolean {
  return /^[a-z0-9_-]+$/.test(id)
}

/** Throws StoreError `invalid_key` unless `id` may name a tenant or a workspace (S-2). */
export function validateScopeId(id: string): void {
  if (!isScopeId(id)) {
    throw new StoreError(
      'invalid_key',
      id,
      'a tenant or workspace id has only a-z, 0-9, _ and -, and is not empty',
    )
  }
}

/** What every key of the scope starts with (S-1). Throws for an invalid scope. */
export function scopePrefix(scope: Scope): string {
  validateScopeId(scope.tenant)
  validateScopeId(scope.workspace)
  return `tenant=${scope.tenant}/workspace=${scope.workspace}/`
}

/** Narrows a store to one scope and to the operations of the request path. */
export function scopedStore(store: Store, scope: Scope): Store {
  const prefix = scopePrefix(scope)
  const full = (path: string): string => {
    checkKey(path, prefix)
    return prefix + path
  }
  return {
    capabilities: store.capabilities,
    get: async (path, options) => store.get(full(path), options),
    head: async (path, options) => store.head(full(path), options),
    put: async (path, bytes, precondition, options) => store.put(full(path), bytes, precondition, options),
  }
}

/** As `scopedStore`, with list and delete for verify, reconcile and garbage collection. */
export function scopedMaintenanceStore(store: MaintenanceStore, scope: Scope): MaintenanceStore {
  const prefix = scopePrefix(scope)
  return {
    ...scopedStore(store, scope),
    async delete(path, options) {
      checkKey(path, prefix)
      return store.delete(prefix + path, options)
    },
    async listPage(request, options) {
      checkListPrefix(request.prefix, prefix)
      return relativePage(await store.listPage(fullRequest(request, prefix), options), prefix)
    },
  }
}

function fullRequest(request: ListRequest, prefix: string): ListRequest {
  const { start_after } = request
  return {
    prefix: prefix + request.prefix,
    limit: request.limit,
    ...(start_after !== undefined && { start_after: prefix + start_after }),
  }
}

function relativePage(page: ListPage, prefix: string): ListPage {
  const objects: ListedObject[] = []
  for (const object of page.objects) objects.push({ ...object, key: relativeKey(object.key, prefix) })
  if (page.next_start_after === undefined) return { objects }
  return { objects, next_start_after: relativeKey(page.next_start_after, prefix) }
}

/** A foreign path means that the store or its driver is broken: no part of such a page can be trusted. */
function relativeKey(key: string, prefix: string): string {
  if (!key.startsWith(prefix)) {
    throw new StoreError('corrupt', key, `the listing of ${prefix} returned a path outside of it`)
  }
  return key.slice(prefix.length)
}
