/**
 * The schedules of spec/correctness.md 8 that concern evidence and order: what was read when, and what is written
 * first. Each is stepped by hand through the production generators, and through a wrong variant that it must catch.
 */
import { counterexample } from '../../support/explorer/counterexample.ts'
import type { Role } from '../../support/explorer/scenario.ts'

const commit = (body: string, read_version: number): Role => ({ role: 'commit', body, read_version })

counterexample({
  promise: 'X1 a foreign log entry is never taken for the commit that reserved its version: by its owner',
  scenario: { cast: [commit('A1', -1), commit('A1', -1), { role: 'foreign', version: 0 }] },
  mutant: 'R4',
  violates: 'C6',
  schedule(world) {
    world.process('A1').run('put log 0')
    world.process('foreign').run()
    world.process('A1').run()
    world.process('A1#2').run()
  },
  ends: {
    returned: {
      A1: { ok: false, reason: 'log_conflict' },
      'A1#2': { ok: false, reason: 'stale_read_version' },
    },
  },
})

counterexample({
  promise: 'X1 a foreign log entry is never taken for the commit that reserved its version: by a helper',
  scenario: { cast: [commit('A1', -1), commit('B1', -1), { role: 'foreign', version: 0 }] },
  mutant: 'R4 in HELP',
  violates: 'C6',
  schedule(world) {
    world.process('A1').run('put log 0').kill()
    world.process('foreign').run()
    world.process('B1').run()
  },
  ends: {
    returned: { B1: { ok: false, reason: 'stale_read_version' } },
    state: { latest_version: 0, inflight: null },
    markers: 0,
  },
})

for (const { id, mutant } of [
  { id: 'X2', mutant: 'R2 one after the other' },
  { id: 'X3', mutant: 'R2' },
] as const) {
  counterexample({
    promise: `${id} a key is committed under one body only, whenever its marker was read`,
    scenario: { cast: [commit('A1', -1), commit('A2', 0)] },
    mutant,
    violates: 'C8',
    schedule(world) {
      world.process('A2').step('get marker A')
      world.process('A1').run()
      world.process('A2').run()
    },
    ends: {
      returned: { A1: { ok: true, version: 0 }, A2: { ok: false, reason: 'key_reuse' } },
      state: { latest_version: 0, inflight: null },
    },
  })
}

counterexample({
  promise: 'X4 a duplicate that was slow to read the state is not told that it is stale',
  scenario: { cast: [commit('A1', -1), commit('A1', -1), commit('B1', 0)] },
  mutant: 'R8',
  violates: 'C11',
  schedule(world) {
    world.process('A1#2').step('get marker A')
    world.process('A1').run()
    world.process('B1').run()
    world.process('A1#2').run()
  },
  ends: { returned: { 'A1#2': { ok: true, version: 0, replayed: true } } },
})

counterexample({
  promise: 'X5 a replay after a crash in W3 finalizes before it answers',
  scenario: { cast: [commit('A1', -1), commit('A1', -1)] },
  mutant: 'R18',
  violates: 'C19',
  schedule(world) {
    world.process('A1').run('put marker A').step().kill()
    world.process('A1#2').run()
  },
  ends: {
    returned: { 'A1#2': { ok: true, version: 0, replayed: true } },
    state: { latest_version: 0, inflight: null },
  },
})

counterexample({
  promise: 'X6 a reservation whose payload is gone does not block the table (S37)',
  scenario: { cast: [commit('A1', -1), { role: 'collector', body: 'A1' }, commit('B1', -1)] },
  mutant: 'R11',
  violates: 'C14',
  schedule(world) {
    world.process('A1').run('put log 0').kill()
    world.process('collector').run()
    world.tick()
    world.process('B1').run()
  },
  ends: { returned: { B1: { ok: true, version: 0 } } },
})

counterexample({
  promise: 'X7 a commit is recorded before its reservation is cleared',
  // The rule itself is not checked here: the point is what becomes of the client.
  scenario: { cast: [commit('A1', -1)], breaks: ['R3'] },
  mutant: 'R3',
  violates: 'C12',
  schedule(world) {
    world.process('A1').run('put log 0').step().step().kill()
  },
  ends: { markers: 1, state: { inflight: { version: 0 } } },
})

counterexample({
  // This code repairs the damage (D-9a), so it shows where the version is held by nobody: coordinator.md 9.4.
  promise: 'X11 a reservation that somebody else has completed is not undone',
  scenario: { cast: [commit('A1', -1), commit('A1', -1)] },
  mutant: 'R6',
  violates: '9.4',
  schedule(world) {
    world.process('A1').run('put state').step('put state')
    world.process('A1#2').run('put state')
    world.process('A1').run()
  },
  ends: { returned: { A1: { ok: true, version: 0 } }, state: { latest_version: 0, inflight: null } },
})

counterexample({
  promise: 'X12 a helper drops the reservation of a key that was decided elsewhere',
  scenario: { cast: [commit('A1', -1), commit('B1', 0), commit('A2', 1), commit('C1', 1)] },
  mutant: 'R5 in HELP',
  violates: 'C8',
  schedule(world) {
    world.process('A2').step('get marker A')
    world.process('A1').run()
    world.process('B1').run()
    world.process('A2').run('put state').step('put state').kill()
    world.tick()
    world.process('C1').run()
  },
  ends: { returned: { C1: { ok: true, version: 2 } } },
})

counterexample({
  promise: 'X12 a second attempt drops its own reservation when its key was decided elsewhere',
  scenario: { cast: [commit('A1', -1), commit('A2', 0), commit('A2', 0)] },
  mutant: 'R5',
  violates: 'C8',
  schedule(world) {
    world.process('A2').step('get marker A')
    world.process('A2#2').step('get marker A')
    world.process('A1').run()
    world.process('A2').run('put state').step('put state').kill()
    world.process('A2#2').run()
  },
  ends: {
    returned: { 'A2#2': { ok: false, reason: 'key_reuse' } },
    state: { latest_version: 0, inflight: null },
  },
})

counterexample({
  // The fast lane that X13 is about (FL-1) is not built; what protects its commits in this lane is that a commit
  // known to `last_commit` alone is recorded before anything is said about its key.
  promise: 'X13 a commit that only last_commit knows is recorded, and answered 200',
  scenario: { cast: [commit('A1', -1), { role: 'marker_loss', key: 'A' }, commit('A1', -1)] },
  mutant: 'R3 of last_commit',
  violates: 'C11',
  schedule(world) {
    world.process('A1').run('put marker A').step().failAfter('put state').kill()
    world.process('marker_loss').run()
    world.process('A1#2').run()
  },
  ends: { returned: { 'A1#2': { ok: true, version: 0 } }, markers: 1 },
})
