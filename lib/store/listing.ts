/** One page of a listing from what a provider's own list call offers: a raw string prefix and an exclusive start. */
import type { ListedObject, ListPage, ListRequest } from './types.ts'

/** A provider's list call: at most `limit` objects in ascending byte order, fewer only at the end. */
export type RawList = (request: {
  readonly prefix: string
  readonly start_after: string | undefined
  readonly limit: number
}) => Promise<readonly ListedObject[]>

/**
 * A page in the terms of `ListRequest`, which the driver has checked. Providers match prefixes by characters, so `a/b`
 * would also find `a/bc`: the object `a/b` and the keys below `a/b/` are asked for apart (ST-31).
 */
export async function listByPrefix(request: ListRequest, list: RawList): Promise<ListPage> {
  const { prefix, start_after, limit } = request
  if (prefix === '' || prefix.endsWith('/')) return page(await list({ prefix, start_after, limit }), limit)
  const itself =
    start_after === undefined || start_after < prefix
      ? (await list({ prefix, start_after: undefined, limit: 1 })).filter(({ key }) => key === prefix)
      : []
  const left = limit - itself.length
  const below = left === 0 ? [] : await list({ prefix: `${prefix}/`, start_after, limit: left })
  return page([...itself, ...below], limit)
}

/** A full page names where the next one starts; a short one is the last (ST-30). */
function page(objects: readonly ListedObject[], limit: number): ListPage {
  const last = objects.at(-1)
  return objects.length === limit && last !== undefined
    ? { objects, next_start_after: last.key }
    : { objects }
}
