/** docs/rebuild.md: every command of the page, pasted in its order into one shell, against a server over a folder. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { beforeAll, expect, test } from 'vitest'
import { encodeEvent } from '../../lib/protocol/orchestration/events/encode.ts'
import { eventPath } from '../../lib/protocol/orchestration/paths.ts'
import { fsStore } from '../../lib/store/fs.ts'
import { scopedStore } from '../../lib/store/scoped.ts'
import { PROBLEMS } from '../../functions/problem.ts'
import { codeBlocks, documentText } from '../support/documents.ts'
import { createText } from '../support/objects.ts'
import { eventsAt, idAt } from '../support/projection-events.ts'
import { NODE_ENTRY, startServer } from '../support/server-process.ts'
import { runBlocks, type BlockResult } from '../support/shell.ts'

const PAGE = 'docs/rebuild.md'
const BLOCKS = codeBlocks(PAGE, 'bash')

let printed: readonly BlockResult[]
beforeAll(async () => {
  const folder = mkdtempSync(join(tmpdir(), 'tidemark-page-'))
  const scope = { tenant: 'acme', workspace: 'prod' }
  const scoped = scopedStore(fsStore(folder), scope)
  for (const event of eventsAt(0, 2)) await createText(scoped, eventPath(event), encodeEvent(event))
  const server = await startServer(NODE_ENTRY, {
    ARCO_STORAGE_BUCKET: `file:${folder}`,
    ARCO_TENANT_ID: scope.tenant,
    ARCO_WORKSPACE_ID: scope.workspace,
  })
  const blocks = BLOCKS.map((code) => code.replace('http://127.0.0.1:8787', server.base))
  const env = {
    GCLOUD_STAND_IN_FOLDER: folder,
    ARCO_STORAGE_BUCKET: 'lakehouse',
    ARCO_TENANT_ID: scope.tenant,
    ARCO_WORKSPACE_ID: scope.workspace,
  }
  printed = (await runBlocks(blocks, { env })).blocks
  return async () => {
    await server.stop('SIGKILL')
    rmSync(folder, { recursive: true, force: true })
  }
}, 60_000)

function answerOf(command: string): unknown {
  const at = BLOCKS.findIndex((code) => code.includes(command))
  return JSON.parse(printed[at]?.stdout ?? '')
}

test('no command fails', () => {
  expect(printed.map(({ code }) => code)).toEqual(BLOCKS.map(() => 0))
})

test('the dry run shows what the rebuild then does', () => {
  const outcome = { events_processed: 2, watermark_after: idAt(1), remaining: 0 }
  expect(answerOf('"dry_run\\":true')).toMatchObject({ ...outcome, dry_run: true, revisions: 0 })
  expect(answerOf('tee answer.json')).toMatchObject({
    ...outcome,
    visibility_status: 'visible',
    revisions: 1,
  })
})

test('how far it is, from scratch, the lock and its break answer as the page says', () => {
  expect(answerOf('ask "/rebuilds/')).toMatchObject({ events_published: 2, events_total: 2, lock: null })
  expect(answerOf('"mode\\":\\"full')).toMatchObject({ events_processed: 2, merged_to_base: true })
  expect(answerOf('ask /internal/locks')).toMatchObject({ held: false, pointer_epoch: 2 })
  expect(answerOf('force-break')).toMatchObject({ held: false, record: { operation: 'force-break' } })
})

test('the reasons of its table are reasons', () => {
  const [, table = ''] = /^## When it is refused\n([\s\S]*?)^## /m.exec(documentText(PAGE)) ?? []
  const named = Array.from(table.matchAll(/^\| (`.*?`) \|/gm), ([, cell = '']) => cell).flatMap((cell) =>
    Array.from(cell.matchAll(/`(\w+)`/g), ([, name = '']) => name),
  )
  expect(named.length).toBeGreaterThan(10)
  expect(named.filter((name) => !(name in PROBLEMS))).toEqual([])
})
