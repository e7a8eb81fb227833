/** `npm run docs:health`: write docs/health.md from the catalogue of rules. */
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { healthDocument } from '../test/support/health-document.ts'

writeFileSync(join(import.meta.dirname, '..', 'docs', 'health.md'), healthDocument())
process.stdout.write('docs/health.md is written.\n')
