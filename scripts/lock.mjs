// One process works, the others wait for it: for scripts that run before `npm start` and `npm test`. Plain JavaScript,
// because the machine's own Node (20 or later) runs it.
import { mkdirSync, rmSync, statSync } from 'node:fs'

/** Take the lock until this process ends; `waiting` is said once when another one holds it. */
export function takeLock(folder, { waiting, stuck_ms }) {
  for (let waited_ms = 0; ; waited_ms += 200) {
    try {
      mkdirSync(folder)
      process.once('exit', () => rmSync(folder, { recursive: true, force: true }))
      return
    } catch (error) {
      if (error.code !== 'EEXIST') throw error
    }
    const taken_ms = statSync(folder, { throwIfNoEntry: false })?.mtimeMs ?? Date.now()
    // Its owner was killed, or is stuck: longer than its work ever takes.
    if (Date.now() - taken_ms > stuck_ms) rmSync(folder, { recursive: true, force: true })
    if (waited_ms === 0) console.error(waiting)
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 200)
  }
}
