/**
 * Runs one case over HTTP with a fault at its n-th store operation, then without, and checks everything: what the answer
 * promised, the budget, and that the replay leaves the very bucket that a run without faults leaves.
 */
import { expect } from 'vitest'
import { withFaults, type FaultPlan, type FaultyCall } from '../../lib/store/faults.ts'
import { withLimits } from '../../lib/store/limits.ts'
import { sendAct, type Act, type CommitCase } from './commit-cases.ts'
import { openWorld, viewTable, type BucketKind, type Wrap } from './commit-world.ts'
import {
  expectAllowedAnswer,
  expectBounded,
  expectNoWedge,
  expectPromiseKept,
  normalised,
  withoutAction,
  type Run,
} from './fault-checks.ts'
import { lateWrites, planOf, type FaultPoint } from './fault-points.ts'
import { recordCalls, type Recorded } from './recorder.ts'
import type { Answer, TestService } from './service.ts'
import { forbidListing, readBucket } from './stores.ts'

/** How long a hung call is waited for, ms. Every other call answers sooner. */
const HUNG_MS: Record<BucketKind, number> = { memory: 3, folder: 250 }

/** How long a released write takes to land, ms. */
const LANDING_MS: Record<BucketKind, number> = { memory: 0, folder: 15 }

/** How often the driver reads before it gives up (spec/storage.md 9). */
const READ_ATTEMPTS = 4

/** A case without faults: its wire operations, its answers, and what it leaves behind. */
export interface Baseline {
  readonly wire: readonly FaultyCall[]
  readonly answer: Answer
  readonly replay: Answer
  readonly bucket: Readonly<Record<string, unknown>>
}

/** Run a case without faults, and check it against what the case says. */
export async function runBaseline(it: CommitCase, kind: BucketKind): Promise<Baseline> {
  const world = openWorld(kind)
  try {
    const line = faultyLine(READ_ATTEMPTS)
    const process = world.process(line.wrap)
    const act = await it.prepare(world, process)
    const { answer, wire } = await line.send(process, act, () => undefined)
    const { status, reason, version } = it.answer
    expect([answer.status, answer.body.reason, answer.body.version]).toEqual([status, reason, version])
    const left = await readBucket(world.store)
    expect(viewTable(world, left)).toEqual(it.after)
    const replay = await sendAct(world.process(), act)
    const bucket = normalised(world, act, await readBucket(world.store))
    expect(bucket, 'a replay changes nothing').toEqual(normalised(world, act, left))
    return { wire, answer, replay, bucket }
  } finally {
    world.close()
  }
}

/** Run a case with a fault, and check everything. */
export async function runFault(
  it: CommitCase,
  kind: BucketKind,
  point: FaultPoint,
  baseline: Baseline,
): Promise<void> {
  const world = openWorld(kind)
  try {
    const line = faultyLine(
      point.extent === 'one operation' ? READ_ATTEMPTS : 1,
      point.kind.fault === 'hang' ? HUNG_MS[kind] : undefined,
    )
    const process = world.process(line.wrap)
    const act = await it.prepare(world, process)
    const before = viewTable(world, await readBucket(world.store))
    const late = lateWrites(async () => new Promise((resolve) => setTimeout(resolve, LANDING_MS[kind])))
    const run = await line.send(process, act, planOf(point, late))
    const label = `operation ${point.at}`
    expectBounded(run, label)
    expectAllowedAnswer({ act, before, run, point, undisturbed: baseline.answer }, label)
    if (point.kind.lands !== 'after the replay') await late.land()
    await expectPromiseKept(world, act, run.answer, label)

    const replay = await sendAct(world.process(), act)
    await late.land()
    if (it.replays !== undefined) expect(it.replays, `${label}: replay`).toContain(replay.body.reason)
    else expect(withoutAction(replay), `${label}: replay`).toEqual(withoutAction(baseline.replay))
    const left = normalised(world, act, await readBucket(world.store))
    expect(left, `${label}: bucket after the replay`).toEqual(baseline.bucket)
    await expectPromiseKept(world, act, replay, `${label}, replay`)
    await expectNoWedge(world, label)
    await expectPromiseKept(world, act, run.answer, `${label}, in the end`)
  } finally {
    world.close()
  }
}

/** The line between a process and the bucket: recorder, limits, faults, in that order; nothing can be listed through it. */
function faultyLine(
  read_attempts: number,
  attempt_ms = 10_000,
): { readonly wrap: Wrap; send(process: TestService, act: Act, plan: FaultPlan): Promise<Run> } {
  let plan: FaultPlan | null = null
  let calls: Recorded[] = []
  const wire: FaultyCall[] = []
  return {
    wrap(store) {
      const faulty = withFaults(forbidListing(store).store, (call) => {
        if (plan === null) return undefined
        const numbered = { ...call, index: wire.length }
        wire.push(numbered)
        return plan(numbered)
      })
      const limited = withLimits(faulty, {
        attempt_ms,
        read_attempts,
        sleep: async () => undefined,
        random: () => 0,
      })
      const recorded = recordCalls(limited)
      calls = recorded.calls
      return recorded.store
    },
    async send(process, act, new_plan) {
      calls.length = 0
      plan = new_plan
      const answer = await sendAct(process, act)
      plan = null
      return { answer, calls: [...calls], wire }
    },
  }
}
