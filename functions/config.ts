/**
 * Configuration from environment variables: one schema, every problem reported at once, and no start with a wrong
 * one (decisions.md, Configuration). This version has no authentication, so it runs in the dev posture only.
 */
import * as z from 'zod'
import { isScopeId, type Scope } from '../lib/store/scoped.ts'
import { parseTableId } from '../lib/protocol/ids.ts'
import type { ResolverConfig } from '../lib/protocol/delta/resolve.ts'
import { DEFAULT_SETTINGS, type DeltaSettings } from '../lib/protocol/delta/settings.ts'
import { normaliseRoot, type RootContext } from '../lib/protocol/delta/table-root.ts'

/** Everything that the environment decides. */
export interface Config {
  readonly bucket: { readonly kind: 'file'; readonly dir: string } | { readonly kind: 'memory' }
  readonly scope: Scope
  readonly host: string
  readonly port: number
  readonly token_format: 'plain' | 'reference'
  readonly resolver: ResolverConfig
  readonly root_context: RootContext
  readonly settings: DeltaSettings
  readonly log_format: 'json' | 'text'
}

/** The configuration, or every reason why there is none. */
export type ConfigResult =
  | { readonly ok: true; readonly config: Config }
  | { readonly ok: false; readonly problems: readonly string[] }

const LOOPBACK: ReadonlySet<string> = new Set(['127.0.0.1', '::1', 'localhost'])

/** Set only where somebody wants authentication, which this version does not have. */
const AUTH_VARIABLE = /^ARCO_(JWT_|INTERNAL_AUTH_)|^TIDEMARK_INTERNAL_TOKEN_SHA256$/

const RESOLVER_MODES = ['legacy', 'static', 'catalog'] as const

const flag = z.enum(['true', 'false'], { error: 'expected true or false' })
const port = z
  .string()
  .regex(/^\d{1,5}$/, 'expected a port number, 0 to 65535')
  .transform(Number)
  .refine((value) => value <= 65_535, 'expected a port number, 0 to 65535')
const scopeId = z.string().refine(isScopeId, 'expected a-z, 0-9, - and _ only')
const tableList = z
  .string()
  .refine(
    (text) => text === '*' || text.split(',').every((id) => parseTableId(id.trim()) !== null),
    'expected * or a comma list of table ids',
  )

const Variables = z.object({
  ARCO_STORAGE_BUCKET: z
    .string()
    .regex(/^(file:.+|memory:)$/, 'expected file:DIR or memory: (this version serves no other store)')
    .default('file:.tidemark'),
  ARCO_TENANT_ID: scopeId.default('dev'),
  ARCO_WORKSPACE_ID: scopeId.default('main'),
  ARCO_ENVIRONMENT: z
    .literal('dev', {
      error: 'expected dev: this version has no authentication and refuses any other posture',
    })
    .optional(),
  ARCO_API_PUBLIC: flag
    .refine((value) => value === 'false', 'expected false: this version has no authentication')
    .optional(),
  ARCO_DEBUG: flag.optional(),
  ARCO_LOG_FORMAT: z.enum(['json', 'text'], { error: 'expected json or text' }).default('json'),
  PORT: port.optional(),
  ARCO_HTTP_PORT: port.optional(),
  TIDEMARK_HOST: z
    .string()
    .refine((host) => LOOPBACK.has(host), 'expected a loopback address: this version has no authentication')
    .default('127.0.0.1'),
  TIDEMARK_RESOLVER: z.enum(RESOLVER_MODES, { error: 'expected legacy, static or catalog' }).optional(),
  // Looked at by resolverOf, with the mode.
  TIDEMARK_TABLES: z.string().optional(),
  TIDEMARK_STAGE_VALIDATION: z
    .enum(['strict', 'opaque'], { error: 'expected strict or opaque' })
    .default('strict'),
  TIDEMARK_TOKEN_FORMAT: z
    .enum(['plain', 'reference'], { error: 'expected plain or reference' })
    .default('plain'),
  TIDEMARK_ADOPT_TABLES: tableList.optional(),
  TIDEMARK_SEAL_TABLES: tableList.optional(),
})
type Variables = z.infer<typeof Variables>

/** Read the environment. An empty variable counts as unset. */
export function readConfig(env: Readonly<Record<string, string | undefined>>): ConfigResult {
  const set = Object.fromEntries(
    Object.entries(env).filter(([, value]) => value !== undefined && value !== ''),
  )
  const problems = Object.keys(set)
    .filter((name) => AUTH_VARIABLE.test(name))
    .map(
      (name) =>
        `${name}: authentication is not in this version; unset it and serve on a loopback address only`,
    )
  const parsed = Variables.safeParse(set)
  if (!parsed.success) {
    problems.push(...parsed.error.issues.map((issue) => `${issue.path.join('.')}: ${issue.message}`))
  }
  const context = parsed.success ? contextOf(parsed.data) : null
  const resolver = resolverOf(set, context)
  if (!resolver.ok) problems.push(...resolver.problems)
  if (problems.length > 0 || !parsed.success || context === null || !resolver.ok) {
    return { ok: false, problems }
  }
  const variables = parsed.data
  return {
    ok: true,
    config: {
      bucket:
        variables.ARCO_STORAGE_BUCKET === 'memory:'
          ? { kind: 'memory' }
          : { kind: 'file', dir: variables.ARCO_STORAGE_BUCKET.slice('file:'.length) },
      scope: { tenant: context.tenant, workspace: context.workspace },
      host: variables.TIDEMARK_HOST,
      port: variables.PORT ?? variables.ARCO_HTTP_PORT ?? 8787,
      token_format: variables.TIDEMARK_TOKEN_FORMAT,
      resolver: resolver.resolver,
      root_context: context,
      settings: settingsOf(variables),
      log_format: variables.ARCO_LOG_FORMAT,
    },
  }
}

function contextOf(variables: Variables): RootContext {
  const scheme = variables.ARCO_STORAGE_BUCKET === 'memory:' ? 'memory' : 'file'
  return {
    tenant: variables.ARCO_TENANT_ID,
    workspace: variables.ARCO_WORKSPACE_ID,
    bucket: { scheme, authority: '' },
  }
}

function settingsOf(variables: Variables): DeltaSettings {
  const adopts = listed(variables.TIDEMARK_ADOPT_TABLES)
  const seals = listed(variables.TIDEMARK_SEAL_TABLES)
  return {
    ...DEFAULT_SETTINGS,
    validation: variables.TIDEMARK_STAGE_VALIDATION,
    unknownOwner: (table_id) => (adopts(table_id) ? 'adopt' : 'refuse'),
    lostPayload: (table_id) => (seals(table_id) ? 'seal' : 'abandon'),
  }
}

function listed(list: string | undefined): (table_id: string) => boolean {
  if (list === undefined) return () => false
  if (list === '*') return () => true
  const ids = new Set(list.split(',').map((id) => parseTableId(id.trim())))
  return (table_id) => ids.has(table_id)
}

type ResolverResult =
  | { readonly ok: true; readonly resolver: ResolverConfig }
  | { readonly ok: false; readonly problems: readonly string[] }

/** Without a context, because another variable is wrong, locations are not looked at; everything else is. */
function resolverOf(
  { TIDEMARK_RESOLVER: set, TIDEMARK_TABLES: map }: Readonly<Record<string, string | undefined>>,
  context: RootContext | null,
): ResolverResult {
  const mode = RESOLVER_MODES.find((each) => each === set)
  if (mode !== 'static') {
    return map === undefined
      ? { ok: true, resolver: { mode: mode ?? 'auto' } }
      : { ok: false, problems: ['TIDEMARK_TABLES: set only with TIDEMARK_RESOLVER=static'] }
  }
  const parsed = z.record(z.string(), z.string().nullable()).safeParse(parseOrNull(map ?? ''))
  if (!parsed.success) {
    return {
      ok: false,
      problems: ['TIDEMARK_TABLES: expected a JSON object of table id to location or null'],
    }
  }
  const tables = new Map<string, string | null>()
  const problems: string[] = []
  for (const [id, location] of Object.entries(parsed.data)) {
    const table_id = parseTableId(id)
    if (table_id === null) problems.push(`TIDEMARK_TABLES: ${JSON.stringify(id)} is not a table id`)
    else if (context !== null && normaliseRoot(table_id, location, context) === null) {
      problems.push(`TIDEMARK_TABLES: the location of ${table_id} is not usable (spec/storage.md 3.4)`)
    } else tables.set(table_id, location)
  }
  return problems.length > 0 ? { ok: false, problems } : { ok: true, resolver: { mode: 'static', tables } }
}

function parseOrNull(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return null
  }
}
