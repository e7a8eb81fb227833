/** `npm run docs:reconcile`: write docs/reconcile.md from the catalogue of rules. */
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { reconcileDocument } from '../test/support/reconcile-document.ts'

writeFileSync(join(import.meta.dirname, '..', 'docs', 'reconcile.md'), reconcileDocument())
process.stdout.write('docs/reconcile.md is written.\n')
