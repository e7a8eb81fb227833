/** GET …/verify: everything that is wrong with a table (spec/http-api.md 4.3). The only Delta route that lists; never writes. */
import * as z from 'zod'
import { parseTable } from '../lib/protocol/delta/commit-input.ts'
import {
  decodeCursor,
  VERIFY_LIMIT_DEFAULT,
  VERIFY_LIMIT_MAX,
  type Cursor,
} from '../lib/protocol/maintenance/delta/cursor.ts'
import { json, refuse, type Call } from './handler.ts'
import type { RunMaintenance } from './maintenance.ts'
import { problemOf, type Problem } from './problem.ts'

/** One finding on the wire. */
export const FoundByVerify = z.object({
  rule: z.string().meta({ description: '`DL-nnn` or `TM-nnn`; docs/verify.md lists them' }),
  severity: z.enum(['error', 'warn', 'info']),
  path: z.string().optional().meta({ description: 'The object, relative to the workspace' }),
  version: z.int().optional().meta({ description: 'The table version' }),
  detail: z.string().meta({ description: 'What was expected and what was seen' }),
  means: z.string().meta({ description: 'What that means for readers and writers' }),
  next: z.string().meta({ description: 'What to do; an exact request where there is one' }),
})

/** What a verify request is answered with. */
export const VerifiedTable = z.object({
  findings: z.array(FoundByVerify).meta({ description: 'The most severe first' }),
  next: z.string().nullable().meta({ description: '`cursor` of the next page; null when all was looked at' }),
  root: z.string().meta({ description: 'Root of the table, relative to the workspace' }),
  latest_version: z
    .int()
    .nullable()
    .meta({ description: 'Of the coordinator state; null when there is none that parses' }),
  log: z.object({
    first_version: z.int().nullable(),
    latest_version: z.int().nullable(),
    entries: z.int(),
    checkpoints: z.int(),
  }),
})

/** Query members, as OpenAPI describes them. */
export const VERIFY_QUERY = [
  {
    name: 'deep',
    description: '`true`: also look whether every live file exists with its size, and read deletion vectors.',
    schema: { type: 'boolean', default: false },
  },
  {
    name: 'limit',
    description: 'About how many objects one answer looks at.',
    schema: { type: 'integer', minimum: 1, maximum: VERIFY_LIMIT_MAX, default: VERIFY_LIMIT_DEFAULT },
  },
  {
    name: 'cursor',
    description: '`next` of the answer before; with the same `deep`.',
    schema: { type: 'string' },
  },
] as const

/** One page of findings. */
export async function handleVerify(call: Call, run: RunMaintenance): Promise<Response> {
  const table = parseTable(call.table_id)
  if (!table.ok) return refuse(call, table)
  call.facts['table_id'] = table.value
  const query = parseQuery(new URL(call.request.url).searchParams)
  if ('reason' in query) return refuse(call, query)
  const { ttl_ms } = call.service.settings
  // The rules and the Parquet reader: on Workers no start has to read them.
  const { verifyTable } = await import('../lib/protocol/maintenance/delta/verify.ts')
  const result = await run(verifyTable({ table_id: table.value, ttl_ms, ...query }))
  if (!result.ok) return refuse(call, problemOf(result))
  const { findings, next, root, latest_version, log } = result
  call.facts['findings'] = findings.length
  const answer = { findings: [...findings], next, root, latest_version, log } satisfies z.infer<
    typeof VerifiedTable
  >
  return json(answer)
}

interface VerifyQuery {
  readonly deep: boolean
  readonly limit: number
  readonly cursor: Cursor | null
}

const NAMES: ReadonlySet<string> = new Set(VERIFY_QUERY.map(({ name }) => name))

function parseQuery(query: URLSearchParams): VerifyQuery | Problem {
  const refused = (detail: string): Problem => ({ reason: 'bad_request', detail })
  for (const name of query.keys()) {
    if (!NAMES.has(name)) return refused('expected no query members but deep, limit and cursor')
    if (query.getAll(name).length > 1) return refused(`expected ${name} once`)
  }
  const deep = query.get('deep') ?? 'false'
  if (deep !== 'true' && deep !== 'false') return refused('expected deep to be true or false')
  const limit_text = query.get('limit') ?? String(VERIFY_LIMIT_DEFAULT)
  const limit = /^[1-9]\d{0,4}$/.test(limit_text) ? Number(limit_text) : 0
  if (limit < 1 || limit > VERIFY_LIMIT_MAX) {
    return refused(`expected limit to be an integer from 1 to ${VERIFY_LIMIT_MAX}`)
  }
  const text = query.get('cursor')
  const cursor = text === null ? null : decodeCursor(text)
  if (text !== null && cursor === null) return refused('expected cursor to be the next of an earlier answer')
  return { deep: deep === 'true', limit, cursor }
}
