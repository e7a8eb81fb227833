import { beforeAll, describe, expect, test } from 'vitest'
import { createApp } from '../../functions/app.ts'
import { OPERATIONS } from '../../functions/operations.ts'
import { openApiDocument } from '../../functions/openapi.ts'
import { PROBLEMS } from '../../functions/problem.ts'
import { referencePage } from '../../functions/reference-page.ts'
import { memoryStore } from '../../lib/store/memory.ts'
import { testDeps } from '../support/service.ts'

let page: string
let response: Response
beforeAll(async () => {
  response = await createApp(testDeps(memoryStore())).fetch(new Request('http://tidemark.test:8787/docs'))
  page = await response.text()
})

/** What a browser shows, without markup. */
const text = (): string =>
  page
    .replaceAll(/<style>[\s\S]*?<\/style>|<[^>]+>/g, '')
    .replaceAll('&quot;', '"')
    .replaceAll('&#39;', "'")
    .replaceAll('&amp;', '&')

describe('GET /docs', () => {
  test('is a page that loads nothing and runs nothing, and says so', () => {
    expect(response.headers.get('content-type')).toBe('text/html; charset=utf-8')
    expect(response.headers.get('content-security-policy')).toContain("default-src 'none'")
    expect(response.headers.get('cache-control')).toBe('no-store')
    expect(page).not.toMatch(/<script|<iframe|<img|@import|url\(|javascript:|\son\w+=/i)
    const targets = [...page.matchAll(/(?:href|src)="([^"]*)"/g)].map(([, target]) => target)
    expect(targets.filter((target) => !/^(#\w+|\/openapi\.json|data:,)$/.test(target ?? ''))).toEqual([])
  })

  test('every link within the page leads to exactly one place', () => {
    const ids = [...page.matchAll(/\sid="([^"]+)"/g)].map(([, id]) => id)
    expect(new Set(ids).size).toBe(ids.length)
    const links = [...page.matchAll(/href="#([^"]+)"/g)].map(([, id]) => id)
    expect(links.filter((id) => !ids.includes(id))).toEqual([])
  })

  test.each(Object.entries(OPERATIONS))(
    '%s: method, path, summary, and where the navigation leads',
    (id, operation) => {
      expect(page).toContain(`<h3 id="${id}">${operation.summary}</h3>`)
      expect(text()).toContain(`${operation.method}${operation.path}`)
      expect(page).toContain(`<a href="#${id}">`)
      for (const reason of operation.reasons) expect(page).toContain(`<a href="#${reason}">`)
    },
  )

  test('every reason has a row with its example', () => {
    for (const [reason, { title }] of Object.entries(PROBLEMS)) {
      expect(page).toContain(`<tr id="${reason}">`)
      expect(text()).toContain(title)
      expect(text()).toContain(`"reason": "${reason}"`)
    }
  })

  test('the members of a commit are listed with their types', () => {
    for (const words of [
      'integer ≥ -1',
      'string or null, optional',
      'inflight.commit_id',
      'last_commit.version',
    ]) {
      expect(text()).toContain(words)
    }
  })

  test('the commands are for the address that the page was asked from, and can be pasted', () => {
    const { example } = OPERATIONS.commit.body
    expect(text()).toContain(
      `curl -sS 'http://tidemark.test:8787/api/v1/delta/tables/0194f5a0-1c00-7c3d-9b1e-2f6a4d8e0c11/commits' \\\n  -H 'Content-Type: application/json' \\\n  -d '${JSON.stringify(example)}'`,
    )
  })

  test('nothing of the address can become markup, or another command', async () => {
    const hostile = await (await referencePage(openApiDocument(), `http://a"><script>'; id; '`)).text()
    expect(hostile).not.toContain('<script')
    expect(hostile).toContain(
      'curl -sS &#39;http://a&quot;&gt;&lt;script&gt;&#39;\\&#39;&#39;; id; &#39;\\&#39;&#39;/',
    )
  })
})
