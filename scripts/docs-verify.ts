/** `npm run docs:verify`: write docs/verify.md from the catalogue of rules. */
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { verifyDocument } from '../test/support/verify-document.ts'

writeFileSync(join(import.meta.dirname, '..', 'docs', 'verify.md'), verifyDocument())
process.stdout.write('docs/verify.md is written.\n')
