/**
 * Child process: does one operation and is killed just before its Nth change to the file system; without a number it
 * survives and says the changes. `crasher.ts FOLDER open|create|create-beside|replace|delete [N]`.
 */
import { fsStore } from '../../../lib/store/fs.ts'
import { bytesOf, readObject } from '../../support/objects.ts'
import { say } from './say.ts'
import { traceChanges } from './traced-fs.ts'

const [folder = '', operation = '', number] = process.argv.slice(2)
let changes = 0
let is_armed = operation === 'open'
traceChanges((change) => {
  if (!is_armed) return
  changes += 1
  if (changes === Number(number)) process.kill(process.pid, 'SIGKILL')
  if (number === undefined) say(JSON.stringify(change))
})

const store = fsStore(folder)
await store.get('table/state')
is_armed = true
switch (operation) {
  case 'create':
    await store.put('table/new/log/0', bytesOf('new'), 'doesNotExist')
    break
  case 'create-beside':
    await store.put('table/new/log/1', bytesOf('new'), 'doesNotExist')
    break
  case 'replace':
    await store.put('table/state', bytesOf('new'), {
      matchesVersion: (await readObject(store, 'table/state')).token,
    })
    break
  case 'delete':
    await store.delete('table/state')
    break
}
