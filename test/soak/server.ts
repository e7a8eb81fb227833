/**
 * A server for the soak: as `functions/entry/node.ts`, with a reservation that others may take over after a second or
 * two instead of five minutes. Only a test may shorten it, which is why there is no variable for it in production.
 */
import { parseBucket } from '../../functions/bucket.ts'
import { openStore } from '../../functions/entry/stores.ts'
import { serveStore } from '../support/serve.ts'
import { SCOPE } from './journal.ts'

const bucket = parseBucket(process.env['SOAK_BUCKET'] ?? '')
const ttl_ms = Number(process.env['SOAK_TTL_MS'])
if (bucket === null || !(ttl_ms > 0)) throw new Error('SOAK_BUCKET and SOAK_TTL_MS say what to serve and how')
const { driver } = await openStore(bucket, { token_format: 'plain', env: process.env })
// A request ends before half the TTL, as in production (spec/storage.md 9).
serveStore({ store: driver, scope: SCOPE, settings: { ttl_ms, deadline_ms: ttl_ms / 2 - 1 } })
