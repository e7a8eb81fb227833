/** `npm run docs:faults`: write docs/faults.md from the faults that tests plant. */
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { faultsDocument } from '../test/support/faults-document.ts'

writeFileSync(join(import.meta.dirname, '..', 'docs', 'faults.md'), await faultsDocument())
process.stdout.write('docs/faults.md is written.\n')
