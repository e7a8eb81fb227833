/**
 * Child process: races with others once it is told to go. `racer.ts FOLDER create COUNT` creates the same COUNT objects
 * as all others, `racer.ts FOLDER increment COUNT` adds one to the counter COUNT times.
 */
import { fsStore } from '../../../lib/store/fs.ts'
import { bytesOf, increment } from '../../support/objects.ts'
import { say, untilGo } from './say.ts'

const [folder = '', race = '', count = '0'] = process.argv.slice(2)
const store = fsStore(folder)
await store.get('counter')
say('ready')
await untilGo()
if (race === 'create') {
  await Promise.all(
    Array.from({ length: Number(count) }, async (_, i) => {
      const put = await store.put(`race/${i % 4}`, bytesOf(`${process.pid} ${i}`), 'doesNotExist')
      say(JSON.stringify({ key: `race/${i % 4}`, text: `${process.pid} ${i}`, ...put }))
    }),
  )
} else {
  // Two at a time, so that clients of one process compete as well.
  await Promise.all([0, 1].map(async () => addSome(Number(count) / 2)))
}

async function addSome(times: number): Promise<void> {
  for (let i = 0; i < times; i++) await increment(store, 'counter')
}
