/** What operations note on their way, for logs, metrics and spans: where a crash was found, never whose or what. */
import { expect, test } from 'vitest'
import { SILENT_LOG } from '../../functions/logging.ts'
import type { Note } from '../../lib/protocol/effects.ts'
import { openWorld, PAST_TTL_MS, TABLE_ID } from '../support/commit-world.ts'

test.each(['log', 'marker', 'finalize'] as const)(
  'S40: a recovery after a death in front of the %s notes no key, no path and no payload',
  async (before) => {
    const world = openWorld('memory')
    const owner = await world.writer('canary-payload', -1)
    await world.crash(owner, before)
    world.clock.advance(PAST_TTL_MS)
    const notes: Note[] = []
    const log = { ...SILENT_LOG, note: (_request: string, fact: Note) => void notes.push(fact) }
    const answer = await world.process(undefined, { log }).recover(TABLE_ID)
    expect(answer.status).toBe(200)
    expect(notes).not.toEqual([])
    const text = JSON.stringify(notes)
    for (const secret of [
      'canary',
      owner.call.idempotency_key,
      owner.call.staged_path,
      world.healthy.prefix,
      '/',
    ])
      expect(text).not.toContain(secret)
    world.close()
  },
)
