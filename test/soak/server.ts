/**
 * A server for the soak: as `functions/entry/node.ts`, with a reservation that others may take over after a second or
 * two instead of five minutes. Only a test may shorten it, which is why there is no variable for it in production.
 */
import { fsStore } from '../../lib/store/fs.ts'
import { serveStore } from '../support/serve.ts'
import { SCOPE } from './journal.ts'

const { SOAK_FOLDER: folder } = process.env
const ttl_ms = Number(process.env['SOAK_TTL_MS'])
if (folder === undefined || !(ttl_ms > 0))
  throw new Error('SOAK_FOLDER and SOAK_TTL_MS say what to serve and how')
// A request ends before half the TTL, as in production (spec/storage.md 9).
serveStore({ store: fsStore(folder), scope: SCOPE, settings: { ttl_ms, deadline_ms: ttl_ms / 2 - 1 } })
