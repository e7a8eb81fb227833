/**
 * The schedules of spec/correctness.md 8 that concern what was lost: payloads, answers, races, and time. Each is
 * stepped by hand through the production generators, and through a wrong variant that it must catch.
 */
import { describe, expect, test } from 'vitest'
import { ByHand } from '../../support/explorer/by-hand.ts'
import { counterexample } from '../../support/explorer/counterexample.ts'
import { mutate } from '../../support/explorer/mutate.ts'
import { MUTANTS } from '../../support/explorer/mutants.ts'
import type { Role, Scenario } from '../../support/explorer/scenario.ts'

const commit = (body: string, read_version: number): Role => ({ role: 'commit', body, read_version })

counterexample({
  promise: 'X15 a missing payload is no proof that the commit failed',
  scenario: { cast: [commit('A1', -1), commit('A1', -1), { role: 'collector', body: 'A1' }] },
  mutant: 'X15',
  violates: 'C11',
  schedule(world) {
    world.process('A1').run('put state')
    world.process('collector').run()
    world.process('A1#2').run()
    world.process('A1').run()
  },
  ends: { returned: { 'A1#2': { ok: false, reason: 'staged_not_found' }, A1: { ok: true, version: 0 } } },
})

counterexample({
  promise: 'X16 a finalize that somebody else has done is no conflict',
  scenario: { cast: [commit('A1', -1), { role: 'recover' }, commit('B1', 0)] },
  mutant: 'R9',
  violates: 'C11',
  schedule(world) {
    world.process('A1').run('put marker A').step()
    world.process('recover').run()
    world.process('B1').run('put log 1')
    world.process('A1').run()
  },
  ends: { returned: { recover: { ok: true, action: 'finalized' }, A1: { ok: true, version: 0 } } },
})

counterexample({
  promise: 'X17 a put that the transport sent twice is one’s own',
  scenario: { cast: [commit('A1', -1)] },
  mutant: 'R14',
  violates: 'C11',
  schedule(world) {
    world.process('A1').run('put log 0').resend('put log 0').run()
  },
  ends: { returned: { A1: { ok: true, version: 0 } } },
})

describe('X18 a delayed reservation that lands on an idle state of the same bytes is harmless', () => {
  const scenario: Scenario = {
    name: 'X18',
    versions: 1,
    tokens: 'content',
    cast: [commit('A1', 0), { role: 'collector', body: 'A1' }, { role: 'recover' }],
    breaks: ['R13'],
  }

  function schedule(world: ByHand): void {
    const owner = world.process('A1').run('put state').detach('put state')
    owner.run('put state').step().kill()
    world.process('collector').run()
    world.tick()
    world.process('recover').run()
  }

  test('the code that ships never repeats the bytes, so it does not land', () => {
    const world = new ByHand(scenario)
    schedule(world)
    world.land()
    expect(world.facts.state).toMatchObject({ latest_version: 0, inflight: null })
    world.quiesce()
  })

  test('with a revision that stands still it lands, and every invariant holds', async () => {
    const wrong = await mutate(MUTANTS['R13 revision'].edits)
    try {
      const world = new ByHand(scenario, wrong.protocol)
      schedule(world)
      expect(world.facts.state).toMatchObject({ latest_version: 0, inflight: null })
      world.land()
      expect(world.facts.state?.inflight).toMatchObject({ version: 1 })
      world.quiesce()
    } finally {
      wrong.remove()
    }
  })
})

counterexample({
  promise: 'X19 a log entry that lands after its reservation was dropped is found by its owner’s replay',
  scenario: { cast: [commit('A1', -1), { role: 'collector', body: 'A1' }, commit('B1', -1)], meta: true },
  mutant: 'R25',
  violates: 'C12',
  schedule(world) {
    world.process('A1').run('put log 0').detach('put log 0').kill()
    world.process('collector').run()
    world.tick()
    world.process('B1').run('put log 0')
    world.land()
    world.process('B1').run()
  },
  ends: { returned: { B1: { ok: false, reason: 'log_conflict' } } },
})

test('X19 under policy seal the late log entry finds its version closed', () => {
  const world = new ByHand({
    name: 'X19 sealed',
    versions: 1,
    settings: { lostPayload: () => 'seal' },
    cast: [commit('A1', 0), { role: 'collector', body: 'A1' }, commit('B1', 1)],
  })
  world.process('A1').run('put log 1').detach('put log 1').kill()
  world.process('collector').run()
  world.tick()
  world.process('B1').run()
  world.land()
  expect(world.process('B1').answer).toMatchObject({ ok: true, version: 2 })
  expect(world.facts.log.get(1)?.text).toContain('"operation":"NOOP"')
  world.quiesce()
})

counterexample({
  promise: 'X20 a replay finalizes its own version, not the reservation of another body of its key',
  scenario: { cast: [commit('A1', -1), commit('A2', 0), commit('A1', -1)] },
  mutant: 'X20',
  violates: 'C4',
  schedule(world) {
    world.process('A2').step('get marker A')
    world.process('A1').run()
    world.process('A2').run('put state').step('put state').kill()
    world.process('A1#2').run()
  },
  ends: { returned: { 'A1#2': { ok: true, version: 0 } }, state: { latest_version: 0, inflight: null } },
})

test('HP-0 a helper whose marker write meets another version drops the reservation as a ghost', () => {
  const world = new ByHand({
    name: 'HP-0',
    cast: [
      commit('A1', -1),
      commit('A2', 0),
      { role: 'collector', body: 'A1' },
      { role: 'recover' },
      { role: 'recover' },
    ],
    // Two log entries of one key need a destroyed payload (coordinator.md 14).
    concedes: ['replay_without_payload', 'second_body_after_loss'],
  })
  const first = world.process('A1').run('put log 0').detach('put log 0')
  world.process('collector').run()
  world.tick()
  world.process('recover').run()
  world.land()
  // The state is behind the log, so the second body comes through (D-9a).
  world.process('A2').run('put marker A').kill()
  const helper = world.process('recover#2').run('put marker A')
  first.run()
  helper.run()
  expect(first.answer).toMatchObject({ ok: true, version: 0 })
  expect(helper.returned).toMatchObject({ ok: true, action: 'abandoned' })
  expect(world.facts.state).toMatchObject({ latest_version: 1, inflight: null })
})
