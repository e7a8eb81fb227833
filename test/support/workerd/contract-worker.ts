/**
 * Inside workerd, over the binding BUCKET: `/rows` lists the rows of the store contract, `/run/N` runs one of them,
 * `/resolve/SEED` one run of the resolver. Each says how it failed; the tests outside are what counts.
 */
import type { R2BucketBinding } from '../../../lib/store/r2.ts'

interface Env {
  readonly BUCKET: R2BucketBinding
}

/** What `/run/N` and `/resolve/SEED` answer. */
export interface RowResult {
  readonly failure: string | null
}

export default {
  async fetch(request: Request, env: Env): Promise<Response> {
    // Loaded here because the assertions set a timer when they are loaded, which workerd allows only in a handler.
    const { CONTRACT_ROWS, contractContext } = await import('../store-contract.ts')
    const { r2Contract, r2ResolverStores } = await import('../r2-bench.ts')
    const { resolverRun } = await import('../resolver-runs.ts')
    const { pathname } = new URL(request.url)
    const seed = /^\/resolve\/(\d+)$/.exec(pathname)?.[1]
    if (seed !== undefined) {
      const failure = await resolverRun(Number(seed), r2ResolverStores(env.BUCKET, Number(seed)))
      return Response.json({ failure } satisfies RowResult)
    }
    if (pathname === '/rows') return Response.json(CONTRACT_ROWS.map(({ id, promise }) => ({ id, promise })))
    const row = CONTRACT_ROWS[Number(/^\/run\/(\d+)$/.exec(pathname)?.[1])]
    if (row === undefined) return new Response('no such row', { status: 404 })
    const context = contractContext(r2Contract(env.BUCKET, 'plain'), { has_content_conditions: true })
    const failure = await row.run(context).then(
      () => null,
      (error: unknown) => (error instanceof Error ? (error.stack ?? error.message) : String(error)),
    )
    return Response.json({ failure } satisfies RowResult)
  },
}
