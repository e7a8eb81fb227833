/**
 * Preloaded into a server (`--import`), so that the entry file under test is the real one: the folder store makes each
 * log entry visible only when the address in HELD_AT has answered. It is asked when the entry is about to appear, which
 * is after the reserve CAS.
 */
import files from 'node:fs/promises'
import { syncBuiltinESMExports } from 'node:module'

const { HELD_AT: held_at } = process.env
if (held_at === undefined) throw new Error('HELD_AT: the address that says when to go on')

const { link } = files
files.link = async (from, to) => {
  if (String(to).includes('/_delta_log/')) await fetch(held_at)
  return link(from, to)
}
syncBuiltinESMExports()
