/** docs/stores.md: which driver is held to which row over which server. Written by `npm run docs:stores` after it has run them. */
import { columnName, STORE_COLUMNS, type StoreColumn, type StoreColumnId } from './store-columns.ts'
import { CONTRACT_IDS, CONTRACT_ROWS } from './store-contract.ts'

/** What the rows of one id came to in one column. */
export type CellResult = 'passed' | 'failed' | 'not run'

/** The whole document. */
export function storesDocument(resultOf: (column: StoreColumnId, id: string) => CellResult): string {
  const columns = Object.entries(STORE_COLUMNS) as [StoreColumnId, StoreColumn][]
  const cell = ([column, { not_applicable }]: (typeof columns)[number], id: string): string => {
    if (id in not_applicable) return '–'
    return MARKS[resultOf(column, id)]
  }
  const numbers = columns.map((_, i) => String(i + 1))
  return [
    INTRODUCTION,
    '## Columns',
    '',
    table(
      ['', 'driver', 'over', 'tests'],
      columns.map(([id, { driver, server }], i) => [
        String(i + 1),
        `\`${driver}\``,
        server,
        `\`${TESTS[id]}\``,
      ]),
    ),
    '',
    '## Rows',
    '',
    'ST is spec/storage.md 6.2, PV spec/providers.md 9, the last ones spec/correctness.md 2.',
    '',
    table(
      ['id', 'promise', ...numbers],
      CONTRACT_IDS.map((id) => [id, promiseOf(id), ...columns.map((column) => cell(column, id))]),
    ),
    '',
    '## Not applicable, and why',
    '',
    ...reasons(columns),
    '',
    BEYOND,
  ].join('\n')
}

const MARKS: Record<CellResult, string> = { passed: '✓', failed: '**✗**', 'not run': '?' }

const TESTS: Record<StoreColumnId, string> = {
  memory: 'test/store/contract.test.ts',
  folder: 'test/store/contract.test.ts',
  s3_minio: 'test/store/s3/minio.test.ts',
  s3_fetch_minio: 'test/store/s3/minio.test.ts',
  s3_r2: 'test/store/s3/r2-wire.test.ts',
  s3_fetch_r2: 'test/store/s3/r2-wire.test.ts',
  gcs_server: 'test/store/gcs/fake-gcs-server.test.ts',
  gcs_fetch_server: 'test/store/gcs/fake-gcs-server.test.ts',
  gcs_fake: 'test/store/gcs/fake.test.ts',
  gcs_fetch_fake: 'test/store/gcs/fake.test.ts',
  r2: 'test/store/r2/workerd.test.ts',
}

const INTRODUCTION = `# Stores

<!-- Written by \`npm run docs:stores\`, which runs every row first. Do not edit. -->

A driver exists once it passes the store contract (\`test/support/store-contract.ts\`). This is the contract by driver, server
and row: ✓ passes, – does not apply there. The servers are real ones, started by the tests on loopback ports; between driver
and server stands a proxy that breaks single requests and counts all of them. The strict GCS fake is ours
(\`test/support/servers/gcs-fake.ts\`): it has preconditions on every method, which fake-gcs-server has not.
`

const BEYOND = `## What else is shown

- \`test/store/wire-attempts.test.ts\`: each HTTP driver sends a conditional write once, whatever comes back: answers
  and accidents, each with its outcome and with what is in the bucket afterwards. One exception is not ours: \`fetch\` of Node
  repeats a request that was answered by 421, which means that nobody looked at it.
- \`test/store/resolver.test.ts\`: commits through the whole protocol while a quarter of all writes lose their response and a
  tenth never arrive, two writers racing; a few seeds in \`npm test\`, 1 000 for every driver in \`npm run prove:stores\`.
- \`test/store/certify.test.ts\`, \`test/cli/doctor.test.ts\`: stores that are wrong in one way are refused, in words for their
  vendor; stores that cannot be asked are not called wrong.
- \`test/functions/store-failures-minio.test.ts\`, \`-gcs\`, \`-r2\`: wrong credentials, no such bucket, a redirect, a wrong clock,
  keys that may only read, a token that expires in front of each write: a problem body that says nothing of the provider, one
  log line that names the cause, and nothing is lost.
- \`test/functions/conformance-minio-sdk.test.ts\`, \`-minio-fetch\`, \`-r2\`: CO-01 to CO-33 of spec/coordinator.md over MinIO and
  over R2 in workerd; \`test/functions/round-trips-minio.test.ts\`: its table of round trips, counted on the wire.

## What a service gets wrong

- MinIO deletes an object whatever \`If-Match\` says (K-10 warns). Nothing in the protocol deletes conditionally; collectors
  do it only where certification has shown that it works.
- miniflare's R2 has no rate limit. Real R2 takes one write a second to a key; the answer to a second one is injected.
- fake-gcs-server ignores preconditions on reads and deletes, and says "Not Found" of a bucket as of an object.
- No service here is Amazon's, Cloudflare's or Google's own. Run \`npm run doctor -- --bucket …\` against the bucket that you
  mean to use.
`

/** The rows of an id; of a long list the first and how many there are. */
function promiseOf(id: string): string {
  const promises = CONTRACT_ROWS.filter((row) => row.id === id).map(({ promise }) =>
    promise.replaceAll('|', '\\|'),
  )
  const [first = ''] = promises
  return promises.length > 6 ? `${first}; ${promises.length} rows` : promises.join('; ')
}

/** Columns with the same reasons share a list. */
function reasons(columns: readonly [StoreColumnId, StoreColumn][]): string[] {
  const shared = Map.groupBy(columns, ([, { not_applicable }]) => JSON.stringify(not_applicable))
  return [...shared.values()].flatMap((group) => {
    const [[, { not_applicable }] = group[0] as (typeof columns)[number]] = group
    const names = group.map(([id]) => columnName(id)).join(', ')
    const listed = CONTRACT_IDS.filter((id) => id in not_applicable)
    const ids = Map.groupBy(listed, (id) => not_applicable[id] ?? '')
    return [`- ${names}`, ...[...ids].map(([reason, each]) => `  - ${each.join(', ')}: ${reason}`)]
  })
}

function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]): string => `| ${cells.join(' | ')} |`
  return [line(head), line(head.map(() => '---')), ...rows.map(line)].join('\n')
}
