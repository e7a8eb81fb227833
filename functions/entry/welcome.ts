/** What `npm start` prints: where things are, and two commands that work as printed. */
import type { Config } from '../config.ts'

/** The port that was taken, a fresh table id and a fresh key. */
export interface WelcomeFacts {
  readonly port: number
  readonly table_id: string
  readonly key: string
  readonly config: Config
}

/** The text for stdout. The commands need curl and jq. */
export function welcome({ port, table_id, key, config }: WelcomeFacts): string {
  const { bucket, scope, host } = config
  const base = `http://${host.includes(':') ? `[${host}]` : host}:${port}`
  const where = bucket.kind === 'file' ? `folder ${bucket.dir}` : 'memory (gone when this process ends)'
  const table = `${base}/api/v1/delta/tables/${table_id}`
  return `
Tidemark on ${base} · ${where} · tenant ${scope.tenant}, workspace ${scope.workspace} · dev posture, no credentials
API reference: ${base}/docs

Commit to a new table:

curl -sS '${table}/commits/stage' -H 'Content-Type: application/json' -d '{"payload":"{\\"commitInfo\\":{\\"timestamp\\":1}}\\n"}' > staged.json && jq . staged.json
jq '. + {read_version: -1, idempotency_key: "${key}"}' staged.json | curl -sS '${table}/commits' -H 'Content-Type: application/json' --data @- | jq

Send the second line again: the same answer, for ever. Then look at the table:

curl -sS '${table}/inspect' | jq

`
}
