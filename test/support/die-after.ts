/** Crash windows by a real kill: the process ends between two writes of a commit, whatever else it was doing. */
import type { MaintenanceStore } from '../../lib/store/types.ts'

/** A store whose process is killed after that many writes of a commit, or, for 0, in front of the first. */
export function dieAfter(writes_max: number, store: MaintenanceStore): MaintenanceStore {
  let writes = 0
  return {
    ...store,
    async put(key, ...rest) {
      if (key.includes('/delta/staging/')) return store.put(key, ...rest)
      if (writes === writes_max) return die()
      const result = await store.put(key, ...rest)
      writes += 1
      return writes === writes_max ? die() : result
    },
  }
}

/** Nothing happens after this: no answer, no clean-up. */
async function die(): Promise<never> {
  process.kill(process.pid, 'SIGKILL')
  return new Promise(() => undefined)
}
