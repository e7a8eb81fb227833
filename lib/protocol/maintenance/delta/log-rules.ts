/**
 * The rules over a Delta log that `verify` looks for (spec/delta-log-rules.md): what a break means and what to do. The
 * numbers are those of the spec; DL-303 to DL-308 are the members of the actions of its sections 3.3 to 3.8.
 */
import type { Rule, Severity } from '../finding.ts'

const UNREADABLE = 'Readers refuse this version and every later one.'
const READERS_DIFFER = 'Readers differ: some refuse the table, others see other rows.'
const WRONG_ROWS = 'Readers see rows that were removed, miss rows that were added, or see rows twice.'
const TOLERATED = 'Readers cope; it tells of a writer that does not keep to the protocol.'
const HARMLESS = 'Nothing is wrong; it is worth knowing.'
const SLOWER = 'Readers that notice go on without it, more slowly; others fail.'

const CORRECT =
  'A committed entry is never edited. Make the writer stop, then correct the table with a new commit, or go back with your engine (RESTORE TABLE … TO VERSION AS OF the version before).'
const RESTORE_ENTRY = 'Put {path} back from a backup or an earlier generation of the object, byte for byte.'
const FIX_WRITER = 'Find the writer in commitInfo.engineInfo and update it; the table needs nothing.'
const DROP_CHECKPOINT =
  'Delete {path}, with _last_checkpoint when that names it, and let your engine write a new one (Spark: it does so by itself at a later version; delta-rs: create_checkpoint). Keep it when it is the oldest base of the log.'
const DROP_CHECKSUM = 'Delete {path}: it is optional, and the log decides.'
const DROP_HINT = 'Delete {path}, or let your engine write a new checkpoint, which replaces it.'
const UPDATE_READERS = 'Check that every reader and writer of the table knows what its protocol demands.'
const NOTHING = 'Nothing.'

function row(severity: Severity, title: string, spec: string, means: string, next: string): Rule {
  return { severity, title, spec: `delta-log-rules.md ${spec}`, means, next }
}

/** Every rule of this part by its id. */
export const LOG_RULES = {
  'DL-101': row(
    'error',
    'Commit names have 20 digits',
    '1',
    'Spark takes it for a commit, other readers do not.',
    'Delete {path} after comparing it with the entry of its version.',
  ),

  'DL-201': row('error', 'A commit is UTF-8 without byte order mark and NUL', '2', UNREADABLE, RESTORE_ENTRY),
  'DL-202': row('error', 'A newline stands between two actions', '2', UNREADABLE, RESTORE_ENTRY),
  'DL-204': row('info', 'No blank lines', '2', HARMLESS, NOTHING),
  'DL-205': row('error', 'Every line is one JSON object', '2', UNREADABLE, RESTORE_ENTRY),
  'DL-206': row('error', 'One action on a line', '2', READERS_DIFFER, CORRECT),
  'DL-207': row('info', 'Unknown actions pass through', '2', HARMLESS, NOTHING),
  'DL-208': row('info', 'An action that is null counts as absent', '2', HARMLESS, NOTHING),
  'DL-209': row('warn', 'Each member once', '2', 'Readers differ in which of the two they take.', CORRECT),
  'DL-210': row('error', 'A commit has an action', '2', UNREADABLE, RESTORE_ENTRY),

  'DL-301': row('error', 'Checkpoint actions stay in checkpoints', '3', READERS_DIFFER, CORRECT),
  'DL-303': row('error', 'Members of add', '3.3', READERS_DIFFER, CORRECT),
  'DL-304': row('error', 'Members of remove', '3.4', READERS_DIFFER, CORRECT),
  'DL-305': row('error', 'Members of cdc', '3.5', READERS_DIFFER, CORRECT),
  'DL-306': row('error', 'Members of txn', '3.6', READERS_DIFFER, CORRECT),
  'DL-307': row('error', 'Members of domainMetadata', '3.7', READERS_DIFFER, CORRECT),
  'DL-308': row('error', 'At most one commitInfo, an object', '3.8', READERS_DIFFER, CORRECT),
  'DL-310': row('error', 'At most one metaData a commit', '3.1', READERS_DIFFER, CORRECT),
  'DL-311': row('error', 'Members of metaData', '3.1', READERS_DIFFER, CORRECT),
  'DL-312': row('error', 'schemaString holds a struct', '3.1', UNREADABLE, CORRECT),
  'DL-313': row('error', 'Partition columns are columns', '3.1', UNREADABLE, CORRECT),
  'DL-314': row(
    'warn',
    'Column names differ in more than case',
    '3.1',
    'Engines that ignore case cannot tell the columns apart.',
    'Rename one of the columns.',
  ),
  'DL-315': row('warn', 'The format is parquet', '3.1', 'Most readers know no other.', CORRECT),
  'DL-316': row(
    'warn',
    'metaData.id stays the same',
    '3.1',
    'Readers that follow the table by its id, streams above all, stop.',
    'Restart streams that read the table, when the change was meant (REPLACE, RESTORE).',
  ),
  'DL-317': row(
    'error',
    'A catalog-managed table carries its own id',
    '3.1',
    'Clients of the catalog commit to another table.',
    CORRECT,
  ),
  'DL-318': row('error', 'Column mapping is complete', '3.1', UNREADABLE, CORRECT),
  'DL-319': row(
    'warn',
    'The schema has columns',
    '3.1',
    'Spark refuses to read the table until it has some.',
    'Add a column, or drop the table.',
  ),
  'DL-320': row('error', 'At most one protocol a commit', '3.2', READERS_DIFFER, CORRECT),
  'DL-321': row(
    'error',
    'The protocol is one that exists',
    '3.2',
    'unsupported: readers refuse the table, and nothing that needs its features is checked here.',
    UPDATE_READERS,
  ),
  'DL-322': row('error', 'Feature lists exactly with versions 3 and 7', '3.2', UNREADABLE, CORRECT),
  'DL-323': row('error', 'Reader version 3 needs writer version 7', '3.2', UNREADABLE, CORRECT),
  'DL-324': row('error', 'Reader features are writer features', '3.2', UNREADABLE, CORRECT),
  'DL-325': row(
    'error',
    'Features of both stand in both lists',
    '3.2',
    'Readers that do not know the feature read wrong rows.',
    CORRECT,
  ),
  'DL-326': row(
    'warn',
    'The protocol does not shrink',
    '3.2',
    'Legal for DROP FEATURE only; otherwise older entries use what the table no longer says it has.',
    'Nothing when a feature was dropped on purpose; else set the former protocol again.',
  ),
  'DL-327': row(
    'info',
    'Features are known',
    '3.2',
    'The coordinator passes them through and never rewrites such a table.',
    NOTHING,
  ),
  'DL-330': row('error', 'One add for each path', '3.9', WRONG_ROWS, CORRECT),
  'DL-331': row('error', 'One remove for each path', '3.9', WRONG_ROWS, CORRECT),
  'DL-332': row('error', 'A file is added or removed, not both', '3.9', WRONG_ROWS, CORRECT),
  'DL-334': row('error', 'One txn an application, one entry a domain', '3.9', READERS_DIFFER, CORRECT),
  'DL-335': row('error', 'Sizes and times are not negative', '3.9', READERS_DIFFER, CORRECT),
  'DL-336': row(
    'warn',
    'extendedFileMetadata keeps its promise',
    '3.4',
    'Readers of changes may fail on this entry.',
    FIX_WRITER,
  ),
  'DL-337': row(
    'error',
    'Partition values for exactly the partition columns',
    '3.9',
    'Readers refuse the file, or read NULL for its partition.',
    CORRECT,
  ),
  'DL-338': row(
    'warn',
    'Statistics are a JSON object',
    '3.9',
    'Readers read the whole file instead of skipping it.',
    FIX_WRITER,
  ),
  'DL-339': row('error', 'A deletion vector needs numRecords', '3.9', WRONG_ROWS, CORRECT),
  'DL-340': row(
    'error',
    'Deletion vectors only with their feature',
    '3.9',
    'Readers that do not look for vectors see deleted rows.',
    CORRECT,
  ),
  'DL-341': row(
    'error',
    'Nothing is removed from an append-only table',
    '3.9',
    'Rows that were promised to stay are gone.',
    CORRECT,
  ),
  'DL-342': row(
    'warn',
    'Row tracking ids on every add',
    '3.9',
    'Row ids and row commit versions of these files cannot be told.',
    FIX_WRITER,
  ),
  'DL-343': row('error', 'A new vector replaces the old one', '3.9', WRONG_ROWS, CORRECT),
  'DL-345': row(
    'info',
    'A remove finds its file',
    '3.9',
    'A removal that removes nothing: often a path spelled in another way.',
    NOTHING,
  ),
  'DL-346': row('info', 'dataChange = false comes with removals', '3.9', HARMLESS, NOTHING),
  'DL-350': row(
    'error',
    'Version 0 has metaData and protocol',
    '3.10',
    'Nobody can read the table.',
    'Write the missing action with a new commit: readers take the latest of each.',
  ),
  'DL-351': row('warn', 'Version 0 removes nothing', '3.10', TOLERATED, FIX_WRITER),
  'DL-352': row(
    'error',
    'A log that starts above 0 has a checkpoint',
    '3.10',
    'Nobody can read the table: its beginning is gone.',
    'Put the missing entries or a checkpoint back from a backup.',
  ),

  'DL-401': row(
    'warn',
    'Paths are percent-encoded',
    '4',
    'Old readers accept it, strict ones refuse the table.',
    CORRECT,
  ),
  'DL-402': row('error', 'Percent-encoding decodes to UTF-8', '4', 'Readers cannot find the file.', CORRECT),
  'DL-403': row(
    'error',
    'No empty, "." and ".." segments',
    '4',
    'Readers differ in which object they read.',
    CORRECT,
  ),
  'DL-404': row('error', 'No data below _delta_log/', '4', 'Log cleanup may delete data.', CORRECT),
  'DL-405': row(
    'warn',
    'Paths are relative',
    '4',
    'The file may lie outside of the table (shallow clone, converted table); it is never looked at or deleted from here.',
    'Nothing for a clone; keep the table that it was cloned from.',
  ),

  'DL-501': row(
    'error',
    'Versions have no hole',
    '5',
    'Nobody can read past the hole.',
    'Put {path} back from a backup or an earlier generation of the object, and every other missing entry with it.',
  ),
  'DL-502': row(
    'error',
    'A committed entry keeps its bytes',
    '5',
    'The entry is not what was acknowledged to the writer: the commit was overwritten by somebody who ignores the protocol.',
    RESTORE_ENTRY,
  ),

  'DL-601': row('error', 'commitInfo with in-commit timestamps', '6', UNREADABLE, CORRECT),
  'DL-602': row('error', 'commitInfo first with in-commit timestamps', '6', UNREADABLE, CORRECT),
  'DL-603': row('error', 'inCommitTimestamp is a time', '6', UNREADABLE, CORRECT),
  'DL-604': row('error', 'inCommitTimestamp grows', '6', 'Time travel finds the wrong version.', CORRECT),
  'DL-605': row(
    'error',
    'Switching timestamps on says where',
    '6',
    'Time travel finds the wrong version before the switch.',
    CORRECT,
  ),
  'DL-606': row(
    'error',
    'Both enablement properties or neither',
    '6',
    'Readers refuse time travel.',
    'Set both properties with a new commit, or remove both.',
  ),
  'DL-607': row(
    'warn',
    'inCommitTimestamp is not in the future',
    '6',
    'Every later commit has to be later still.',
    'Check the clock of the writer; time catches up by itself.',
  ),

  'DL-701': row(
    'error',
    'A catalog-managed table has in-commit timestamps',
    '7',
    'Clients of the catalog refuse the table.',
    CORRECT,
  ),
  'DL-702': row(
    'error',
    'txnId on every commit of a catalog-managed table',
    '7',
    'Clients of the catalog cannot tell their own commits.',
    CORRECT,
  ),
  'DL-709': row(
    'error',
    'Checkpoints are of published versions',
    '7',
    'Readers that start there see a version that nobody committed.',
    'Delete {path}.',
  ),

  'DL-801': row(
    'info',
    'The entry of the oldest checkpoint is kept',
    '8',
    'The commit time of that version is lost.',
    NOTHING,
  ),
  'DL-802': row('warn', 'A checkpoint has all of its parts', '8', 'Readers ignore the set.', DROP_CHECKPOINT),
  'DL-803': row(
    'error',
    'A V2 checkpoint names its version and has its feature',
    '8',
    SLOWER,
    DROP_CHECKPOINT,
  ),
  'DL-804': row('error', 'File actions all inline or all in sidecars', '8', WRONG_ROWS, DROP_CHECKPOINT),
  'DL-805': row(
    'error',
    'Sidecars exist and have their size',
    '8',
    'Readers that choose this checkpoint fail.',
    DROP_CHECKPOINT,
  ),
  'DL-806': row('error', 'A V1 checkpoint has no actions of V2', '8', READERS_DIFFER, DROP_CHECKPOINT),
  'DL-807': row('warn', 'Only what a checkpoint is for', '8', TOLERATED, DROP_CHECKPOINT),
  'DL-808': row(
    'error',
    'One protocol and one metaData',
    '8',
    'Readers that choose this checkpoint fail.',
    DROP_CHECKPOINT,
  ),
  'DL-809': row(
    'error',
    'A checkpoint is a Parquet file',
    '8',
    'Readers that choose this checkpoint fail.',
    DROP_CHECKPOINT,
  ),
  'DL-810': row('error', 'A checkpoint equals the replay of the log', '8', WRONG_ROWS, DROP_CHECKPOINT),
  'DL-811': row('error', 'No file twice in a checkpoint', '8', WRONG_ROWS, DROP_CHECKPOINT),

  'DL-901': row(
    'warn',
    'The hint is readable',
    '9',
    'Readers list the log instead, which is slower; some fail.',
    DROP_HINT,
  ),
  'DL-902': row(
    'error',
    'The hint names a checkpoint that exists',
    '9',
    'Several engines fail instead of looking further.',
    DROP_HINT,
  ),
  'DL-903': row(
    'error',
    'The hint is not ahead of the log',
    '9',
    'Readers see a version that does not exist, or fail.',
    DROP_HINT,
  ),
  'DL-904': row('warn', 'The checksum of the hint is right', '9', 'Readers ignore the hint.', DROP_HINT),

  'DL-1001': row('warn', 'A version checksum is readable', '10', 'Readers go on without it.', DROP_CHECKSUM),
  'DL-1002': row(
    'error',
    'Checksum: files and bytes',
    '10',
    'Either the log was tampered with, or a foreign writer wrote a wrong checksum; the log wins. Engines that validate fail.',
    DROP_CHECKSUM,
  ),
  'DL-1003': row(
    'error',
    'Checksum: metadata and protocol',
    '10',
    'Engines that start from the checksum use a wrong schema.',
    DROP_CHECKSUM,
  ),
  'DL-1004': row(
    'warn',
    'Checksum: in-commit timestamp',
    '10',
    'Engines that start from the checksum use a wrong commit time.',
    DROP_CHECKSUM,
  ),
  'DL-1005': row('warn', 'Checksum: txnId', '10', 'Engines ignore the checksum.', DROP_CHECKSUM),
  'DL-1006': row(
    'warn',
    'Checksum: transactions, domains, histogram',
    '10',
    'Engines that start from the checksum may apply a stream batch twice.',
    DROP_CHECKSUM,
  ),
  'DL-1007': row(
    'warn',
    'Checksum: deletion vectors',
    '10',
    'Engines that validate ignore the checksum.',
    DROP_CHECKSUM,
  ),

  'DL-1101': row(
    'error',
    'A log compaction equals its commits',
    '11',
    WRONG_ROWS,
    'Delete {path}: readers take the commits instead.',
  ),
  'DL-1110': row(
    'error',
    'The beginning of the log is reachable',
    '11',
    'Nobody can read the table: no complete checkpoint leads into its log.',
    'Put the missing entries or the checkpoint back from a backup.',
  ),
  'DL-1112': row(
    'info',
    'Log cleanup ran to its end',
    '11',
    'A cleanup was interrupted; readers start at the checkpoint.',
    NOTHING,
  ),
  'DL-1120': row(
    'error',
    'Every live file exists',
    '11',
    'Queries that touch the file fail.',
    'Put the file back from a backup, or remove it from the table with your engine (Spark: FSCK REPAIR TABLE; delta-rs: repair).',
  ),

  'DL-1201': row('error', 'Deletion vector descriptors', '12', WRONG_ROWS, CORRECT),
  'DL-1202': row(
    'error',
    'Deletion vectors are what was written',
    '12',
    'Queries that touch the file fail.',
    'Put the file of the vector back from a backup, or rewrite the data file with your engine.',
  ),
  'DL-1203': row(
    'error',
    'Deletion vectors delete as many rows as they say',
    '12',
    WRONG_ROWS,
    'Rewrite the data file with your engine (OPTIMIZE, REORG … PURGE).',
  ),
} as const satisfies Readonly<Record<string, Rule>>
