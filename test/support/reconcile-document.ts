/** docs/reconcile.md: how to look after the projection, and the catalogue of its rules. */
import { PROJECTION_RULES } from '../../lib/protocol/maintenance/projection/rules.ts'
import type { Rule } from '../../lib/protocol/maintenance/finding.ts'

const INTRODUCTION = `# Look after the projection

The second half is made from the rules that \`verify\` and \`reconcile\` look for: \`npm run docs:reconcile\` writes this page, a
test compares it.

## Is anything wrong?

\`\`\`console
$ npm run verify -- --bucket s3://lake --tenant acme --workspace analytics --projection
clean: the projection, 1204 objects looked at.
\`\`\`

Over HTTP: \`GET /internal/verify/projection?limit=1000\`, page by page; \`next\` of one answer is the \`cursor\` of the following one,
and null at the end. It looks, in this order, at the pointer, the visible manifest and the lock; at every manifest behind
it that is kept; at every artifact of the visible manifest, byte by byte and row by row; at the ledger, for events that
readers do not see; and at what nobody names. What is broken is told first and gone on from. A page stays with the
revision that the first one saw. Nothing is written.

An event below the watermark without an idempotency key is folded in memory onto what is visible. Would it change rows, then it
was left out (PJ-404), unless a revision names it as offered: then it came before the events that it depends on and was
refused (PJ-408). Events more than 30 days older than the newest cannot be told (PJ-407).

At 3 a.m.: \`GET /internal/inspect/projection\` and \`GET /internal/inspect/lock\` read known keys only and say who acts next, when, and
by which request; \`GET /api/v1/delta/tables/{table_id}/inspect/key\` with an \`Idempotency-Key\` says where that commit stands.

## What lies there that nobody names

A publisher that crashed or lost a race leaves a manifest or a folder of artifacts. Readers never see it, and the next
publisher passes it by: it costs storage and nothing else.

\`\`\`console
$ npm run reconcile -- --bucket s3://lake --tenant acme --workspace analytics
$ npm run reconcile -- --bucket s3://lake --tenant acme --workspace analytics --repair
\`\`\`

or \`POST /internal/reconcile {}\` and \`{"repair": true}\`. Both commands: exit code 0 nothing that somebody has to act on, 1
findings, 2 could not look; \`--json\` prints one object. A report only lists and reads. A repair deletes, and

1. never what is reachable: after it has taken the compaction lock and listed, it touches the pointer, so that every
   publisher at work loses its race and begins again under fresh names; then it looks what the pointer reaches, and
   deletes of the rest what was listed before,
2. never what was written less than an hour ago by the store's own time, of the store's clock and the process's the one
   that is behind; a folder is as young as its youngest object,
3. never what has changed since it was listed,
4. never events, the pointer, the legacy manifest, lists of rebuilds, or locks,
5. nothing at all when there is no pointer, or a manifest that is kept cannot be read.

The compactor's role cannot delete: for a repair attach
[s3-reconcile.json](deploy/policies/s3-reconcile.json) or [gcs-reconcile.json](deploy/policies/gcs-reconcile.json) as well, to the
service or to a role that only this command has. A delete that fails is counted, and the others are gone on with. While somebody compacts the answer is 409 \`lock_held\`.

What is kept of the past: the visible revision, the last \`TIDEMARK_RETENTION_REVISIONS\` (1000) before it, and every one that was
visible within \`TIDEMARK_RETENTION_DAYS\` (7). Older manifests and the artifacts that only they name count as orphans. The time
bounds how long a reader may hold on to a revision and how long after a commit its lineage can be proven. When you raise
either, manifests that were collected before are missing for a while (PJ-201), and nothing is collected until enough
has been published or enough time has passed. Every walk reads one manifest after the other: a workspace that publishes
every few seconds wants fewer days.

## By itself

On Node the process reports every five minutes, from five minutes after its start on; one log line a run that finds
something. Other runtimes ask over HTTP, from their scheduler.

| variable | meaning | unless set |
|---|---|---|
| \`ARCO_FLOW_COMPACTOR_REPAIR_AUTOMATION_MODE\` | \`disabled\`, \`dry_run\` (report), \`enforce\` (repair) | \`dry_run\` |
| \`ARCO_FLOW_COMPACTOR_REPAIR_AUTOMATION_INTERVAL_SECS\` | seconds between two runs | 300 |
| \`ARCO_FLOW_COMPACTOR_REPAIR_AUTOMATION_SCOPE\` | \`full\`, or \`current_head_only\`, which finds and deletes nothing | \`full\` |

## Other things that grow

\`npm run reconcile -- … --repair --staged-days 7\` deletes staged payloads that are older and that no reservation names (never
younger than a day or ten reservation TTLs); \`--rebuild-days 30\` lists and private chunks of rebuilds that are older, under
the lock that a running rebuild holds. A bucket lifecycle on \`delta/staging/\` does the first as well.

## Rules
`

/** The whole page. */
export function reconcileDocument(): string {
  const rows = Object.entries<Rule>(PROJECTION_RULES).map(
    ([id, { severity, title, means, next, spec }]) =>
      `| **${id}** | ${severity} | ${title} | ${means} | ${next.replaceAll('|', '\\|')} | ${spec} |`,
  )
  const table = [
    '| rule | severity | what holds | when it does not | what to do | spec |',
    '|---|---|---|---|---|---|',
    ...rows,
  ]
  return `${INTRODUCTION}\n${table.join('\n')}\n`
}
