/** GET …/verify over a real S3 service: its listings, its owner metadata, pages of a few objects. */
import { describe, expect, test } from 'vitest'
import { freshId, testService } from '../support/service.ts'
import { add, entryText, soundEntries } from '../support/spoilt-table.ts'
import { whyNot } from '../support/servers/binaries.ts'
import { openByFetch, openBySdk, useMinio } from '../support/servers/minio-stores.ts'

const without = whyNot('minio')

describe.skipIf(without !== null).each([
  { name: 'the S3 SDK', open: openBySdk },
  { name: 'the S3 fetch driver', open: openByFetch },
])(`verify over MinIO by $name ${without ?? ''}`, ({ open }) => {
  const make = useMinio(open)

  test('nothing is found on a table at rest, page by page; a marker that is gone is', async () => {
    const { store } = make()
    const service = testService(store, { overrides: { now: () => Date.now() } })
    const table_id = freshId()
    for (const read_version of [-1, 0, 1]) {
      const first = soundEntries()[0] ?? []
      const ict = { commitInfo: { inCommitTimestamp: 2000 + read_version, operation: 'WRITE' } }
      const payload = entryText(read_version === -1 ? first : [ict, add(`p=1/${read_version}.parquet`)])
      const staged = await service.stage(table_id, payload)
      const { status } = await service.commit({
        table_id,
        read_version,
        ...staged,
        idempotency_key: freshId(),
      })
      expect(status).toBe(200)
    }

    const path = `/api/v1/delta/tables/${table_id}/verify?limit=3`
    const found: { rule: string }[] = []
    let pages = 0
    for (let next: string | null = ''; next !== null; pages += 1) {
      const { status, body } = await service.request('GET', next === '' ? path : `${path}&cursor=${next}`)
      expect(status).toBe(200)
      found.push(...body.findings)
      next = body.next
    }
    expect(found).toEqual([])
    expect(pages).toBeGreaterThan(2)

    const { objects } = await store.listPage({ prefix: `${service.prefix}delta/idempotency/`, limit: 10 })
    await store.delete(objects[0]?.key ?? '')
    const { body } = await service.request('GET', path.replace('limit=3', 'limit=100'))
    expect(body.findings.map(({ rule }: { rule: string }) => rule)).toEqual(['TM-402'])
  })
})
