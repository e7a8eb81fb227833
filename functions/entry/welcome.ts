/** What `npm start` prints: where things are, and two commands that work as printed. */
import { bucketText } from '../bucket.ts'
import type { Config } from '../config.ts'
import type { AuthConfig } from '../config-auth.ts'

/** The port that was taken, a fresh table id and a fresh key. */
export interface WelcomeFacts {
  readonly port: number
  readonly table_id: string
  readonly key: string
  readonly config: Config
}

/** The text for stdout. The commands need curl and jq; where credentials are asked for there are none. */
export function welcome({ port, table_id, key, config }: WelcomeFacts): string {
  const { bucket, scope, host, auth } = config
  const base = `http://${host.includes(':') ? `[${host}]` : host}:${port}`
  const table = `${base}/api/v1/delta/tables/${table_id}`
  const is_open = auth.posture === 'dev' && auth.user.mode === 'single-scope'
  const served = `
Tidemark on ${base} · ${bucketText(bucket)} · tenant ${scope.tenant}, workspace ${scope.workspace} · ${auth.posture} posture, ${askedOf(auth)}
API reference: ${base}/docs
`
  if (!is_open) return served
  return `${served}
Commit to a new table:

curl -sS '${table}/commits/stage' -H 'Content-Type: application/json' -d '{"payload":"{\\"commitInfo\\":{\\"timestamp\\":1}}\\n"}' > staged.json && jq . staged.json
jq '. + {read_version: -1, idempotency_key: "${key}"}' staged.json | curl -sS '${table}/commits' -H 'Content-Type: application/json' --data @- | jq

Send the second line again: the same answer, for ever. Then look at the table:

curl -sS '${table}/inspect' | jq

`
}

function askedOf({ posture, user }: AuthConfig): string {
  if (user.mode === 'headers') return 'tenant and workspace in headers'
  return posture === 'dev' && user.mode === 'single-scope' ? 'no credentials' : 'a bearer token is asked for'
}
