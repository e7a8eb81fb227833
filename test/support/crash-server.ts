/** A server that is killed after some writes of the first commit it gets: the windows of spec/coordinator.md 7.1. */
import { fsStore } from '../../lib/store/fs.ts'
import { dieAfter } from './die-after.ts'
import { serveStore } from './serve.ts'

const { CRASH_FOLDER: folder, CRASH_TENANT: tenant, CRASH_WORKSPACE: workspace } = process.env
const writes = Number(process.env['CRASH_AFTER_WRITES'])
if (folder === undefined || tenant === undefined || workspace === undefined || !Number.isInteger(writes)) {
  throw new Error(
    'CRASH_FOLDER, CRASH_TENANT, CRASH_WORKSPACE: what to serve; CRASH_AFTER_WRITES: when to die',
  )
}
serveStore({ store: dieAfter(writes, fsStore(folder)), scope: { tenant, workspace } })
