/** Runs the development tools of node_modules the way `npm run check` does. */
import { spawn } from 'node:child_process'
import { resolve } from 'node:path'
import { text } from 'node:stream/consumers'

/** The root of the repository. */
export const REPOSITORY = resolve(import.meta.dirname, '../..')

/** Run a tool to its end. Its output is for the failure message. */
export async function runTool(
  name: 'oxlint' | 'oxfmt' | 'tsc',
  args: readonly string[],
  cwd: string,
): Promise<{ exit_code: number | null; stdout: string; stderr: string }> {
  // Through this very Node: the tools' own `#!/usr/bin/env node` could find an older one.
  const child = spawn(process.execPath, [resolve(REPOSITORY, 'node_modules/.bin', name), ...args], { cwd })
  const ended = new Promise<number | null>((done, failed) => child.once('close', done).once('error', failed))
  const [stdout, stderr] = await Promise.all([text(child.stdout), text(child.stderr)])
  return { exit_code: await ended, stdout, stderr }
}
