/** The repository as a fresh clone has it, in a temporary folder, with what is installed here instead of the network. */
import { execFileSync } from 'node:child_process'
import { cpSync, existsSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, utimesSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { REPOSITORY } from '../house/tools.ts'

/** A copy and how to get rid of it. */
export interface WorkingCopy {
  readonly root: string
  remove(): void
}

/** Copy every file that git knows or would add. */
export function copyWorkingTree(): WorkingCopy {
  const root = mkdtempSync(join(tmpdir(), 'tidemark-clone-'))
  const listed = execFileSync('git', ['ls-files', '-z', '--cached', '--others', '--exclude-standard'], {
    cwd: REPOSITORY,
    encoding: 'utf8',
  })
  for (const name of listed.split('\0')) {
    if (name === '' || !existsSync(join(REPOSITORY, name))) continue
    mkdirSync(dirname(join(root, name)), { recursive: true })
    cpSync(join(REPOSITORY, name), join(root, name))
  }
  symlinkSync(join(REPOSITORY, 'node_modules'), join(root, 'node_modules'))
  // Older than what is installed: `npm ci` would empty the folder that the link leads to.
  utimesSync(join(root, 'package-lock.json'), 0, 0)
  return { root, remove: () => rmSync(root, { recursive: true, force: true }) }
}
