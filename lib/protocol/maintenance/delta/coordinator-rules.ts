/**
 * The rules between the coordinator's own objects: state, reservation, log, markers, staged payloads. Numbers are ours;
 * each names the row of the spec that says what is right and who finishes what.
 *
 *     1xx state    2xx reservation    3xx log    4xx markers    5xx staged payloads    9xx not looked at
 */
import type { Rule, Severity } from '../finding.ts'

const RECOVER = 'POST /api/v1/delta/tables/{table_id}/recover {}'
const BLOCKED_UNTIL =
  'Nothing is lost. Other writers get 409 `reserved` until the reservation is finished or dropped.'

function row(severity: Severity, title: string, spec: string, means: string, next: string): Rule {
  return { severity, title, spec, means, next }
}

/** Every rule of this part by its id. */
export const COORDINATOR_RULES = {
  'TM-101': row(
    'error',
    'The state parses',
    'coordinator.md 3.1 J-5, 10',
    'Every commit on the table is refused with `state_corrupt`; no commit is lost.',
    'Restore the previous generation of {path}; without one, delete it: the next commit with read_version = the latest version in the log creates it again.',
  ),
  'TM-102': row(
    'error',
    'A reservation is of the next version',
    'coordinator.md 3.1',
    'Every commit on the table is refused with `state_invariant`; no commit is lost.',
    'Restore the previous generation of {path}; without one, delete it: the next commit with read_version = the latest version in the log creates it again.',
  ),
  'TM-103': row(
    'warn',
    'The state exists',
    'coordinator.md 10',
    'The state object is lost; commits and markers are there. Writers go on as if nothing was, as long as they name the latest version.',
    'Send the next commit with read_version = the latest version in the log: it creates the state again.',
  ),
  'TM-104': row(
    'error',
    'The log reaches the finalized version',
    'correctness.md C4',
    'A version that was acknowledged is not in the log: readers do not see it, and the next commit leaves a hole.',
    'Put {path} back from a backup or an earlier generation of the object, before anybody commits.',
  ),
  'TM-105': row(
    'warn',
    'The state reaches the end of the log',
    'coordinator.md 6.3 D-9a, 10',
    'Somebody wrote to the log without the coordinator, or the state was restored from an older copy. Writers that name the old version get `stale_read_version`.',
    RECOVER,
  ),
  'TM-106': row(
    'error',
    'One table, one log',
    'coordinator.md 11.3 RT-2, RT-3',
    'The log is split over two roots: readers of one see only a part of the versions.',
    'Stop the writer that uses the other root, then move its entries to the root that the catalog names. When nothing lies there, the object that names it was edited: restore its previous generation.',
  ),
  'TM-107': row(
    'error',
    'The last commit is in the log',
    'coordinator.md 3.1, correctness.md C2',
    'The version that was finalized last is not what was acknowledged.',
    'Put {path} back from a backup or an earlier generation of the object, byte for byte.',
  ),

  'TM-201': row(
    'info',
    'W1: reserved, nothing written',
    'coordinator.md 7.1 W1, 6.5 H-3, H-4',
    BLOCKED_UNTIL,
    RECOVER,
  ),
  'TM-202': row(
    'info',
    'W2: written, not recorded',
    'coordinator.md 7.1 W2, 6.5 H-5',
    'The commit is in the log and readers see it; its marker is not written yet. Any request to the table finishes it.',
    RECOVER,
  ),
  'TM-203': row(
    'info',
    'W3: recorded, not finalized',
    'coordinator.md 7.1 W3, 6.5 H-1',
    'The commit is done and its writer may have been told; the state still shows the reservation. Any request to the table finalizes it.',
    RECOVER,
  ),
  'TM-204': row(
    'warn',
    'The reserved version is the reservation owner’s',
    'coordinator.md 6.5 H-6',
    'Somebody who does not use the coordinator took the version. The owner gets 409 `log_conflict` and has to rebase.',
    RECOVER,
  ),
  'TM-205': row(
    'warn',
    'A key is reserved once',
    'coordinator.md 6.5 H-2',
    'A ghost: the key was already committed at another version. Nothing will be written for it.',
    RECOVER,
  ),
  'TM-206': row(
    'warn',
    'The reserved payload is there',
    'coordinator.md 6.5 H-8',
    'The payload of the reservation is gone or was replaced: it can only be dropped. The owner gets `staged_not_found` and stages again.',
    RECOVER,
  ),
  'TM-207': row(
    'warn',
    'The TTL of a reservation is plausible',
    'coordinator.md 6.5 expired(i), correctness.md R12',
    'The clock of the reserving process was wrong. Where the store tells its own time the TTL is counted by that; elsewhere the table stays reserved until then.',
    RECOVER,
  ),
  'TM-208': row(
    'warn',
    'The owner of a written version can be told',
    'coordinator.md 6.5 H-7',
    'A reservation of an early writer without hash, and its payload is gone: the log entry is kept, its owner is told `staged_not_found`.',
    RECOVER,
  ),
  'TM-209': row(
    'warn',
    'A reservation is of a version that is free',
    'coordinator.md 3.1',
    'An obsolete reservation of a finalized version. It can only be finalized or dropped.',
    RECOVER,
  ),

  'TM-301': row(
    'info',
    'The log has entries',
    'coordinator.md 10',
    'No version was ever committed: an empty table, or no table.',
    'Nothing, or check the root of the table in the catalog.',
  ),

  'TM-401': row(
    'error',
    'A marker parses',
    'coordinator.md 3.2 J-5',
    'Replays of its key are refused with `marker_corrupt`; the commit itself is in the log.',
    'Restore the previous generation of {path}.',
  ),
  'TM-402': row(
    'warn',
    'A commit has its marker',
    'correctness.md C10',
    'The commit is in the log and stays there. Its writer cannot be told so when it asks again with the same key: it may commit the same rows twice under a new one.',
    'Let the writer send its request again with the same key; it writes the marker.',
  ),
  'TM-403': row(
    'error',
    'A marker has its log entry',
    'correctness.md C6',
    'A version that was acknowledged is not in the log.',
    'Put the entry back from a backup or an earlier generation of the object.',
  ),
  'TM-404': row(
    'error',
    'A marker lies under its own key',
    'coordinator.md 3.2',
    'Replays of the key do not find it, or are refused with `marker_corrupt`.',
    'Move the marker to the path that its idempotency_key_hash says, with does-not-exist, then delete {path}.',
  ),
  'TM-405': row(
    'warn',
    'Markers are of finalized versions',
    'coordinator.md 6.3 D-1',
    'The state is behind what was acknowledged: it was restored from an older copy.',
    RECOVER,
  ),

  'TM-501': row(
    'info',
    'Staged payloads are collected',
    'coordinator.md 5 SG-9',
    'Payloads of commits that are done or were given up. They cost storage and nothing else.',
    'Set the bucket lifecycle of 7 days on delta/staging/.',
  ),
  'TM-502': row(
    'warn',
    'Only payloads are staged',
    'coordinator.md 5 SG-1',
    'An object that no request can name.',
    'Delete {path} after looking at it.',
  ),

  'TM-901': row(
    'info',
    'Everything was looked at',
    'http-api.md 4.3',
    'This part was not checked; the rest was.',
    'Nothing, unless the reason is one that you can change.',
  ),
} as const satisfies Readonly<Record<string, Rule>>
