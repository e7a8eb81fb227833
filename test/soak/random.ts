/** Choices that a seed repeats. Processes and disks keep their own time, so a seed repeats what is tried, not what happens. */

/** A source of choices. */
export interface Random {
  /** Uniform in [0, 1). */
  next(): number
  /** True with this probability. */
  chance(probability: number): boolean
  /** An integer from `min` up to and including `max`. */
  between(min: number, max: number): number
  /** One of `items`, which must not be empty. */
  pick<T>(items: readonly T[]): T
}

/** Mulberry32: 32 bits of state are plenty for choosing. */
export function seededRandom(seed: number): Random {
  let state = seed >>> 0
  function next(): number {
    state = (state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
  return {
    next,
    chance: (probability) => next() < probability,
    between: (min, max) => min + Math.floor(next() * (max - min + 1)),
    pick(items) {
      const item = items[Math.floor(next() * items.length)]
      if (item === undefined) throw new RangeError('nothing to pick from')
      return item
    },
  }
}
