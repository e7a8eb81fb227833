/**
 * The rules of verify, reconcile and inspect over the projection. Numbers are ours; each names the row of the spec that
 * says what is right.
 *
 *     PJ  1xx pointer and head    2xx chain    3xx artifacts    4xx watermarks and ledger    5xx lock    9xx not looked at
 *     RC  1xx what nobody names   2xx what a repair did not do
 */
import { findingOf, type Finding, type Occurrence, type Rule, type Severity } from '../finding.ts'

const REBUILD_FULL =
  'Store the list of all events under state/orchestration/rebuilds/{name}.json, then POST /rebuild {"rebuild_manifest_path":"state/orchestration/rebuilds/{name}.json","mode":"full"}'
/** The same for a watermark that is above every event: the list ends below it, on purpose. */
export const REBUILD_BACK = REBUILD_FULL.replace('"mode":"full"', '"mode":"full","allow_regression":true')
const REPAIR = 'POST /internal/reconcile {"repair":true}'
const REPORT = 'POST /internal/reconcile {}'
const READS_FAIL =
  'Every read and every compaction of the projection is answered 500 `object_corrupt`. The ledger is not touched.'
const NOT_COLLECTED = 'Nothing is deleted. Readers and writers are not affected.'
const ATTEMPT =
  'What a publisher left that failed or lost a race, or still is at work. It costs storage and nothing else.'

function row(severity: Severity, title: string, spec: string, means: string, next: string): Rule {
  return { severity, title, spec, means, next }
}

/** Every rule of this part by its id. */
export const PROJECTION_RULES = {
  'PJ-101': row('error', 'The pointer parses', 'manifests.md 3, 16', READS_FAIL, REBUILD_FULL),
  'PJ-102': row(
    'error',
    'Where manifests are, there is a pointer',
    'manifests.md 15, reconcile.md RC-5',
    'Readers see an empty workspace. What was published is there, and nothing names it.',
    'Restore the previous generation of {path}; without one, build it again. {rebuild}',
  ),
  'PJ-103': row(
    'error',
    'The visible manifest exists',
    'manifests.md 16, correctness.md P1',
    READS_FAIL,
    REBUILD_FULL,
  ),
  'PJ-104': row('error', 'The visible manifest parses', 'manifests.md 4, 16', READS_FAIL, REBUILD_FULL),
  'PJ-105': row(
    'warn',
    'The pointer names the manifest of its id',
    'manifests.md 3, 18',
    'Readers follow the path and see the projection. Proofs of lineage fail.',
    'POST /compact with the next events: the next pointer is right.',
  ),
  'PJ-106': row(
    'warn',
    'Pointer and manifest agree on id and epoch',
    'manifests.md 18',
    'Readers see the projection, with the id and the higher epoch of both. Proofs of lineage fail.',
    'POST /compact with the next events: the next pointer is right.',
  ),
  'PJ-107': row(
    'info',
    'Something was published',
    'manifests.md 15',
    'An empty workspace, or one that only an early version has written to.',
    'Nothing. The first compaction publishes.',
  ),

  'PJ-201': row(
    'warn',
    'Ancestors that are kept exist',
    'manifests.md 18, reconcile.md RC-6',
    'Readers are not affected. Proofs about revisions before it fail, and nothing is collected while it is within what is kept.',
    'Restore {path} from an earlier generation of the object, or shorten what is kept (TIDEMARK_RETENTION_REVISIONS, TIDEMARK_RETENTION_DAYS).',
  ),
  'PJ-202': row(
    'warn',
    'Ancestors that are kept parse',
    'manifests.md 4, reconcile.md RC-6',
    'Readers are not affected. Proofs about revisions before it fail, and nothing is collected while it is within what is kept.',
    'Restore {path} from an earlier generation of the object, or shorten what is kept (TIDEMARK_RETENTION_REVISIONS, TIDEMARK_RETENTION_DAYS).',
  ),
  'PJ-203': row(
    'warn',
    'Ids and epochs never increase on the way back',
    'manifests.md 12, 18',
    'Readers are not affected. Proofs of lineage fail.',
    'Look who else writes to the workspace: publishers of ours cannot do this.',
  ),
  'PJ-204': row(
    'warn',
    'A manifest lies under its own id',
    'manifests.md 18',
    'Readers are not affected. Proofs of lineage fail.',
    'Look who else writes to the workspace: publishers of ours cannot do this.',
  ),

  'PJ-301': row(
    'error',
    'Artifacts of the visible manifest exist',
    'correctness.md P1, manifests.md 16',
    READS_FAIL,
    REBUILD_FULL,
  ),
  'PJ-302': row(
    'error',
    'Artifacts have the size in the manifest',
    'projections.md PJ-1, correctness.md P1',
    READS_FAIL,
    REBUILD_FULL,
  ),
  'PJ-303': row(
    'error',
    'Artifacts have the hash in the manifest',
    'projections.md PJ-1, correctness.md P1',
    READS_FAIL,
    REBUILD_FULL,
  ),
  'PJ-304': row('error', 'Artifacts decode', 'projections.md 8, 12', READS_FAIL, REBUILD_FULL),
  'PJ-305': row(
    'warn',
    'A delta has the rows that its manifest counts',
    'manifests.md 5.5, reconcile.md RC-10',
    'Readers see the rows that are stored. The counts decide when deltas are merged, and somebody wrote one or the other wrongly.',
    REBUILD_FULL,
  ),
  'PJ-306': row(
    'info',
    'Artifacts are named with size and hash',
    'projections.md 10',
    'An early version wrote this reference: damage of the object can only be seen when it does not decode.',
    'Nothing. The next merge writes it anew.',
  ),
  'PJ-307': row(
    'warn',
    'l0_count is the number of deltas',
    'manifests.md 4, M6',
    'Tidemark counts for itself. The reference believes the number and merges too early or too late.',
    'POST /compact with the next events: the next manifest counts right.',
  ),
  'PJ-308': row(
    'warn',
    'The manifest may be compacted',
    'manifests.md 10, M11',
    'Readers see the projection; every compaction is refused with 400 `delete_channel`.',
    'Do as the detail says: another mode, or {rebuild}',
  ),

  'PJ-401': row(
    'warn',
    'Watermarks agree with each other',
    'manifests.md 5.1, 7, correctness.md P6',
    'Readers see the projection. Rebuilds and controllers that go by the watermark may skip or repeat events.',
    REBUILD_FULL,
  ),
  'PJ-402': row(
    'warn',
    'The event of the watermark is in the ledger',
    'manifests.md 5.1',
    'An event that was folded is not in the ledger any more: a rebuild from scratch cannot come to the same rows.',
    'Restore {path} from a backup or an earlier generation of the object.',
  ),
  'PJ-403': row(
    'warn',
    'The ledger is folded to its end',
    'reconcile.md RC-13, correctness.md Q6',
    'Readers do not see these events yet. They are not lost.',
    'POST /compact {"event_paths":[…]} with these paths, or a rebuild from a list of them.',
  ),
  'PJ-404': row(
    'error',
    'No event below the watermark was left out',
    'reconcile.md RC-13, correctness.md P14, rebuild.md 12',
    'Stragglers: written late, below the watermark. An incremental rebuild skips them for ever; readers miss what they say.',
    'POST /compact {"event_paths":["{path}"]}',
  ),
  'PJ-405': row(
    'info',
    'Only events are in the ledger',
    'events.md 4.3',
    'An object that no list of events may name. Nothing reads it.',
    'Look at {path}, and who wrote it.',
  ),
  'PJ-406': row(
    'warn',
    'Unfolded events can be folded',
    'rebuild.md 6, correctness.md Q11, P13',
    'A compaction or rebuild that lists it is refused.',
    'Leave it out for good. Store a list of all events under state/orchestration/rebuilds/{name}.json, then POST /rebuild {"rebuild_manifest_path":"state/orchestration/rebuilds/{name}.json","on_invalid":"quarantine"}',
  ),
  'PJ-407': row(
    'info',
    'Every event can be told folded or not',
    'manifests.md 11',
    'Older than idempotency keys are kept and in no witness: whether it was folded is not recorded anywhere.',
    'Nothing. A rebuild with "mode":"full" folds the whole ledger again.',
  ),
  'PJ-408': row(
    'info',
    'What was refused would be refused again',
    'fold.md 3, correctness.md P20',
    'It was offered before the events that it depends on and was refused. Offered again, or in a rebuild from scratch, it is applied.',
    'POST /compact {"event_paths":["{path}"]}',
  ),

  'PJ-501': row(
    'error',
    'The lock record parses',
    'locks-and-fencing.md 4.5',
    'Every compaction and rebuild is refused with 500 `lock_corrupt`. Readers are not affected.',
    'POST /internal/locks/orchestration/force-break {"reason":"…","sequence":{epoch}}',
  ),
  'PJ-502': row(
    'warn',
    'The lock’s number is not behind the pointer’s epoch',
    'locks-and-fencing.md 4.1, LK-14',
    'Somebody deleted or replaced the lock record. Tokens of its holder are refused; the next acquisition goes on above the epoch.',
    'POST /compact with the next events: it takes the lock with a number above the epoch. Never delete the lock record.',
  ),
  'PJ-503': row(
    'info',
    'Nobody holds the lock',
    'locks-and-fencing.md 4',
    'Somebody is at work. Others wait for it, or are answered 409 `lock_held`.',
    'Wait. If its holder is gone: POST /internal/locks/orchestration/force-break {"reason":"…"}',
  ),

  'PJ-901': row(
    'info',
    'Everything was looked at',
    'http-api.md 4.3',
    'This part was not checked; the rest was.',
    'Ask again.',
  ),

  'RC-101': row('warn', 'Manifests are on the chain', 'reconcile.md 1', ATTEMPT, REPAIR),
  'RC-102': row('warn', 'Base folders are named', 'reconcile.md 1', ATTEMPT, REPAIR),
  'RC-103': row('warn', 'Delta folders are named', 'reconcile.md 1', ATTEMPT, REPAIR),
  'RC-104': row(
    'warn',
    'No manifest is above the pointer',
    'reconcile.md RC-2, RC-7, correctness.md Q1',
    'A publisher crashed or stalled between manifest and pointer. The next one skips the id; a reference process would be blocked by it.',
    REPAIR,
  ),
  'RC-105': row(
    'info',
    'Objects of base and l0 lie in folders',
    'reconcile.md 1',
    'An object that no manifest can name. It is never deleted.',
    'Look at {path}, and who wrote it.',
  ),

  'RC-201': row(
    'warn',
    'What is reachable is known completely',
    'reconcile.md RC-6, 9 rule 5',
    'A part of the chain that is kept cannot be read: what is listed as orphan may be history. Nothing is deleted.',
    'Resolve the findings above, then ask again.',
  ),
  'RC-202': row(
    'error',
    'Nothing is deleted without a pointer',
    'reconcile.md RC-5',
    'There is no pointer, so that everything would count as an orphan. Nothing is deleted.',
    'Restore the pointer or rebuild, then ask again.',
  ),
  'RC-203': row(
    'warn',
    'Deletes succeed',
    'reconcile.md RC-9',
    'The store did not delete this entry, or not all of it. The others were gone on with.',
    REPAIR,
  ),
  'RC-204': row(
    'info',
    'One call takes in everything',
    'reconcile.md RC-11',
    'There are more orphans than one call keeps in mind. The others are left for the next one.',
    REPAIR,
  ),
  'RC-205': row(
    'info',
    'The store says when an object was written',
    'reconcile.md 9 rule 2',
    'Without its own time an object is never old enough. Nothing of it is deleted.',
    'Delete it by hand once nobody has compacted for an hour.',
  ),
  'RC-206': row('info', 'What was listed is what is deleted', 'reconcile.md RC-7', NOT_COLLECTED, REPORT),
} as const satisfies Record<string, Rule>

/** Id of such a rule. */
export type ProjectionRuleId = keyof typeof PROJECTION_RULES

/** The finding of a rule of the projection. */
export function projectionFinding(
  rule: ProjectionRuleId,
  occurrence: Occurrence,
  names: Readonly<Record<string, string>> = {},
): Finding {
  return findingOf(PROJECTION_RULES, rule, occurrence, { rebuild: REBUILD_FULL, ...names })
}
