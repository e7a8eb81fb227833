/**
 * Child process: creates and replaces objects until it is killed, and says which puts were ok. `churner.ts FOLDER`.
 */
import { randomBytes, randomInt } from 'node:crypto'
import { fsStore } from '../../../lib/store/fs.ts'
import { nextGeneration, parseGeneration } from './generation.ts'
import { say } from './say.ts'

const [folder = ''] = process.argv.slice(2)
const store = fsStore(folder)

for (let i = 0; ; i++) {
  await Promise.all([replaceOne(`state/${randomInt(3)}`), createOne(`log/${process.pid}/${i % 7}/${i}`)])
}

async function replaceOne(key: string): Promise<void> {
  const current = await store.get(key)
  const number = current.outcome === 'ok' ? parseGeneration(current.bytes).number + 1 : 0
  const bytes = nextGeneration(number, randomBytes(randomInt(20_000)))
  const condition = current.outcome === 'ok' ? { matchesVersion: current.token } : 'doesNotExist'
  const put = await store.put(key, bytes, condition)
  if (put.outcome === 'ok') say(JSON.stringify({ key, number, token: put.token }))
}

async function createOne(key: string): Promise<void> {
  const put = await store.put(key, nextGeneration(0, randomBytes(randomInt(2_000))), 'doesNotExist')
  if (put.outcome === 'ok') say(JSON.stringify({ key, number: 0, token: put.token }))
}
