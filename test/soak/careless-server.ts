/** A server for the test of the soak itself: it says that log entries are written, and writes none. */
import { fsStore } from '../../lib/store/fs.ts'
import { serveStore } from '../support/serve.ts'
import { SCOPE } from './journal.ts'

const store = fsStore((process.env['SOAK_BUCKET'] ?? '').replace('file:', ''))
serveStore({
  scope: SCOPE,
  store: {
    ...store,
    put: async (key, ...rest) =>
      key.includes('/_delta_log/') ? { outcome: 'ok', token: 'lost' } : store.put(key, ...rest),
  },
})
