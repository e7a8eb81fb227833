/** docs/health.md: what the health check does, by hand, and its rules, from the catalogue. */
import { HEALTH_RULES } from '../../lib/protocol/maintenance/health/rules.ts'
import type { Rule } from '../../lib/protocol/maintenance/finding.ts'

const TEXT = `# The health check

Made by \`npm run docs:health\`; the rules at its end are those of the code, and a test compares the page.

One run looks at a bounded part of one workspace and says what a person should know: reservations that nobody finished in time, events
that wait, a lock that does not change hands, what failed publishers left, a store that is not certified or not for a long time.
On request it brings stuck tables to rest by the coordinator's own \`recover\`. It never deletes.

\`\`\`console
$ npm run health -- --bucket s3://lake --tenant acme --workspace analytics
warn  TM-202  version 7, delta/coordinator/….json: W2: version 7 is written and has no marker
      means The commit is in the log and readers see it; its marker is not written yet. Any request to the table finishes it.
      next  POST /api/v1/delta/tables/…/recover {}

errors: 0, warnings: 1, facts: 0
\`\`\`

looks at every table once. Exit code 0 clean, 1 findings of severity warn or error, 2 could not look. \`--recover\` settles what is
past its TTL, \`--json\` prints one object. It goes by the default limits, and does not touch the place of the scheduled runs.

## By a schedule

\`POST /internal/health-check\` is one run, for any scheduler; it takes an internal token.

| member | meaning | without it |
|---|---|---|
| \`recover\` | settle reservations past their TTL | look only |
| \`limit\` | tables that the run looks at, 1 to 1000 | 200 |
| \`cursor\` | \`next\` of an earlier answer, or null to begin: the caller keeps the place | the service keeps it |

The answer is 200 when somebody looked, whatever was found; \`conclusion\` says \`clean\` or \`findings\`. A store that does not answer is
503, and the next run begins at the same place.

Where the next run goes on is one small object, \`locks/health-check.cursor.json\`, replaced by a conditional put: the scheduler need
remember nothing. Runs that overlap look at the same page twice and settle a table once; the one that is slower does not keep its
place (\`"place": "not_kept"\`), and nothing comes of that. A place that is damaged is the beginning.

| where | what runs it | switched on by |
|---|---|---|
| Workers | the cron trigger of \`wrangler.toml\` | it is on |
| Lambda | an EventBridge rule that invokes the function | the rule |
| Cloud Run, Cloud Functions | Cloud Scheduler, by the route | the job |
| Deno | \`Deno.cron\` (Deno Deploy, or \`--unstable-cron\`), in whole minutes; an interval elsewhere | \`TIDEMARK_HEALTH_INTERVAL_SECS\` |
| Node, a container | an interval | \`TIDEMARK_HEALTH_INTERVAL_SECS\` |

These runs recover only with \`TIDEMARK_HEALTH_RECOVER=true\`. Several processes may have an interval.

## What one run costs

One listing of at most \`limit\` keys and one read a table; at most 20 stuck tables, each a dozen reads and, when it recovers, three
writes; of the projection at most 30 reads and five listings of one page each. After 20 s it begins nothing new. So a run stays
within what a Worker may do in one invocation. What is below the watermark or inside of artifacts is not looked at:
\`GET /internal/verify/projection\` does that. Orphans older than the visible revision are those of \`POST /internal/reconcile\`.

## Who is told

**The answer** has every finding, the most severe first. What was recovered is a finding of severity \`info\` that says so.

**The log** has one line a finding, as loud as its severity: \`"message":"finding"\`, \`rule\`, \`path\`, \`detail\`, \`next\`.

**Metrics**: \`tidemark_health_findings\`, \`tidemark_health_findings_total\`, \`tidemark_health_runs_total\` and
\`tidemark_health_last_run_timestamp_seconds\` ([metrics.md](metrics.md)).

**The webhook**, when \`TIDEMARK_HEALTH_WEBHOOK_URL\` and \`TIDEMARK_HEALTH_WEBHOOK_SECRET\` (32 characters or more) are set: a POST of the
report whenever somebody should act or something was recovered. \`https\` only; \`http\` to a loopback address.

| header | value |
|---|---|
| \`X-Tidemark-Timestamp\` | seconds since 1970 |
| \`X-Tidemark-Signature\` | \`sha256=\` and HMAC-SHA256 in hex, by the secret, over the timestamp, a full stop, and the body as it came |
| \`X-Tidemark-Delivery\` | the same in every attempt |

\`\`\`ts
const expected = createHmac('sha256', secret).update(\`\${timestamp}.\${body}\`).digest('hex')
const is_ours = timingSafeEqual(Buffer.from(signature), Buffer.from(\`sha256=\${expected}\`))
\`\`\`

Refuse a timestamp that is more than five minutes old, and answer 2xx within 10 s. No redirect is followed. Busy (408, 429, 5xx) or
unreachable receivers are asked three times. What was not taken then is kept beside the place of the next run, at most 100
findings, and sent as \`undelivered\` with the next report, so a report may come more than once and what persists comes with every
run. A run whose place is not kept (the caller's \`cursor\`, a store that is not certified, a faster run) keeps nothing either:
then the log has it.

## Rules

What is found in a table has the rule of verify (\`TM-\`), what is found in the projection that of verify or reconcile (\`PJ-\`, \`RC-\`). These are its own:

| rule | severity | holds when all is well | what it means | what to do |
|---|---|---|---|---|
`

/** The whole document. */
export function healthDocument(): string {
  const rows = Object.entries<Rule>(HEALTH_RULES).map(
    ([id, { severity, title, means, next }]) => `| ${id} | ${severity} | ${title} | ${means} | ${next} |\n`,
  )
  return `${TEXT}${rows.join('')}`
}
