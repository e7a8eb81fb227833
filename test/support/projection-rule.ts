/**
 * A rule of the projection as two tests: the code that ships keeps it, and its wrong variant does not, so that the first
 * test could have failed (spec/correctness.md 8, 9.9).
 */
import { describe, expect, test } from 'vitest'
import { SHIPPED, withWrongVariant, type ProjectionProtocol } from './projection-protocol.ts'
import { PROJECTION_VARIANTS, type ProjectionVariantId } from './projection-variants.ts'
import { ProjectionWatch } from './projection-watch.ts'
import { projectionWorld, type World, type WorldOptions } from './projection-world.ts'
import { memoryStore } from '../../lib/store/memory.ts'
import { scopePrefix } from '../../lib/store/scoped.ts'

/** A world whose pointer is watched. */
export type WatchedWorld = World & { readonly watch: ProjectionWatch }

/** What a rule is checked in. */
export interface Lab {
  world(options?: WatchedOptions): WatchedWorld
}

/** As for any world. */
export type WatchedOptions = WorldOptions & {
  /** A rebuild is told to go back behind the watermark. */
  readonly may_regress?: boolean
  /** Of another process on the same bucket: both write under one pair of eyes. */
  readonly watch?: ProjectionWatch
}

/** A rule and what breaks it. */
export interface ProjectionRule {
  /** `X8`, `Q1`, … and what is promised. */
  readonly promise: string
  readonly wrong: ProjectionVariantId
  /** How the wrong variant shows: the message of the error that ends the check. */
  readonly shows: RegExp
}

/** Register both tests. `holds` runs on both protocols. */
export function projectionRule(
  { promise, wrong, shows }: ProjectionRule,
  holds: (lab: Lab) => Promise<void>,
): void {
  const variant = PROJECTION_VARIANTS[wrong]
  describe(`${promise}`, () => {
    test('the code that ships', async () => holds(labOf(SHIPPED)))

    test(`the wrong variant is caught: ${variant.breaks}`, async () => {
      await expect(withWrongVariant(variant, async (protocol) => holds(labOf(protocol)))).rejects.toThrow(
        shows,
      )
    })
  })
}

function labOf(protocol: ProjectionProtocol): Lab {
  return { world: (options) => watchedWorld({ protocol, ...options }) }
}

/** A world whose pointer is watched, for tests that need no wrong variant. */
export function watchedWorld(options: WatchedOptions = {}): WatchedWorld {
  const store = options.store ?? memoryStore()
  const prefix = scopePrefix(options.scope ?? { tenant: 'acme', workspace: 'prod' })
  const watch =
    options.watch ?? new ProjectionWatch(store, prefix, { may_regress: options.may_regress ?? false })
  const world = projectionWorld({
    ...options,
    store,
    wrap: (scoped) => (options.wrap ?? ((same) => same))(watch.wrap(scoped)),
  })
  return { ...world, watch }
}
