/** One wrong variant for every rule of the projection that a test has to notice (spec/correctness.md 7 and 9.9). */
import type { SourceEdit } from './mutant.ts'
import type { WrongVariant } from './projection-protocol.ts'

const FOLDER = 'orchestration/projection'

function edit(file: string, find: string, replace: string): SourceEdit {
  return { file: file.includes('/') ? file : `${FOLDER}/${file}`, find, replace }
}

/** Wrong variants by the rule that they break. */
export const PROJECTION_VARIANTS = {
  Q1: {
    breaks: 'an id that is taken is a failure',
    edits: [
      edit(
        'publish.ts',
        'for (let skipped = 0; skipped <= SKIPPED_IDS_MAX; skipped++)',
        'for (let skipped = 0; skipped <= 0; skipped++)',
      ),
    ],
  },
  'Q1 own': {
    breaks: 'a manifest of our own that is there already is somebody else’s',
    edits: [edit('publish.ts', 'return sameBytes(seen.bytes, bytes)', 'return (false as boolean)')],
  },
  'Q1 others': {
    breaks: 'whatever lies at the id is taken for our manifest',
    edits: [
      edit(
        'publish.ts',
        "    if (result.outcome === 'ok') return { is_ours: true }\n",
        "    if (result.outcome === 'ok' || result.outcome === 'precondition_failed') return { is_ours: true }\n",
      ),
    ],
  },
  Q2: {
    breaks: 'the pointer is compared with what it is now, not with what was read at the start',
    edits: [
      edit(
        'publish.ts',
        'const swapped = yield* swapPointer(draft.head.stored, ',
        'const fresh = yield* get(POINTER_PATH, 65536)\n  const swapped = yield* swapPointer(storedOrNull(fresh), ',
      ),
    ],
  },
  Q3: {
    breaks: 'after a lost answer nobody walks the chain',
    edits: [
      edit(
        'publish.ts',
        'if (seen === null || isVisible === null) return null',
        'if (seen !== null || isVisible === null) return null',
      ),
    ],
  },
  'Q3 revision': {
    breaks: 'a manifest on the chain counts as ours by its id alone',
    edits: [edit('publish.ts', 'return value.revision_ulid === ours.revision_ulid', 'return true')],
  },
  'Q3 fresh': {
    breaks: 'a rebuild from scratch tries again under the revision that it has used',
    edits: [
      edit(
        'rebuild-full.ts',
        '    const revision_ulid = yield* ulid()\n',
        '    const { revision_ulid } = draft\n',
      ),
    ],
  },
  'Q8 full': {
    breaks: 'a rebuild from scratch tries again with the files that it has written',
    edits: [
      edit(
        'rebuild-full.ts',
        '  let head = first\n',
        '  let head = first\n  let base: BaseSnapshot | null = null\n',
      ),
      edit('rebuild-full.ts', 'const base = yield* writeBase(', 'base ??= yield* writeBase('),
    ],
  },
  Q4: {
    breaks: 'a publisher that lost says that its revision is visible',
    edits: [
      edit(
        'publish.ts',
        '(yield* isStillVisible(seen, isVisible)) ? { stored: seen, is_head } : null',
        '{ stored: seen, is_head: false }',
      ),
    ],
  },
  Q5: {
    breaks: 'events are folded in the order in which they are listed',
    edits: [
      edit(
        'revision.ts',
        'batch.events.toSorted((a, b) => compareEvents(a.event, b.event))',
        '[...batch.events]',
      ),
    ],
  },
  'Q6 count': {
    breaks: 'what the watermark filters out is not reported',
    edits: [edit('rebuild.ts', '  tally.accounting.below_floor += from\n', '')],
  },
  'Q6 full': {
    breaks: 'no mode ignores the watermark',
    edits: [edit('rebuild.ts', "if (request.mode === 'full') ", 'if (false) ')],
  },
  Q7: {
    breaks: 'rows are written in the order in which they came',
    edits: [
      edit(
        'orchestration/fold/layers.ts',
        'return sortedByKey(\n    rows.table,\n    Array.from(allSlots(rows), (slot) => slot.row),\n  )',
        'return Array.from(allSlots(rows), (slot) => slot.row)',
      ),
    ],
  },
  Q9: {
    breaks: 'a token below the epoch of the pointer publishes',
    edits: [edit('authority.ts', 'if (authority.token >= epoch) return', 'return')],
  },
  'Q10 incremental': {
    breaks: 'a rebuild publishes at the end only',
    edits: [edit('rebuild.ts', 'Math.min(from + settings.chunk_events, length)', 'length')],
  },
  'Q10 full': {
    breaks: 'a rebuild from scratch that begins again does not look for finished chunks',
    edits: [edit('rebuild-full.ts', 'const begun = session.dry_run\n', 'const begun = (true as boolean)\n')],
  },
  Q11: {
    breaks: 'events that do not decode are left out without a word',
    edits: [
      edit(
        'load-events.ts',
        "else if (options.quarantine && each.refused.reason === 'event_invalid')",
        "else if (each.refused.reason === 'event_invalid')",
      ),
    ],
  },
  'Q11 record': {
    breaks: 'what was left out is not recorded',
    edits: [
      edit(
        'revision.ts',
        'quarantine: addQuarantined(current.quarantine, batch.quarantined)',
        'quarantine: current.quarantine',
      ),
    ],
  },
} as const satisfies Record<string, WrongVariant>

/** Name of a wrong variant. */
export type ProjectionVariantId = keyof typeof PROJECTION_VARIANTS
