/** `npm run docs:security`: write docs/security.md from the names of the tests. Exit code 1 when a row has no test. */
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { readProofs, securityDocument } from '../test/support/security-document.ts'

const ROOT = join(import.meta.dirname, '..')

const proofs = readProofs(ROOT)
writeFileSync(join(ROOT, 'docs', 'security.md'), securityDocument(proofs))
const unproven = [...proofs].filter(([, citations]) => citations.length === 0).map(([id]) => id)
process.stdout.write('docs/security.md is written.\n')
if (unproven.length > 0) {
  process.stderr.write(`docs:security: no test cites ${unproven.join(', ')}\n`)
  process.exitCode = 1
}
