import { existsSync, readFileSync } from 'node:fs'
import { readdir } from 'node:fs/promises'
import { dirname, join, resolve } from 'node:path'
import { describe, expect, test } from 'vitest'
import { REPOSITORY, runTool } from './tools.ts'

/** A slow machine compiles for a while; the point is the verdict. */
const TIMEOUT_MS = 120_000

describe('what `npm run check` asks of the whole repository', () => {
  test.for([
    { promise: 'the linter finds nothing', tool: 'oxlint', args: ['--format=unix'] },
    { promise: 'every file is formatted', tool: 'oxfmt', args: ['--check', '.'] },
    { promise: 'the types hold', tool: 'tsc', args: ['--noEmit'] },
  ] as const)('$promise', { timeout: TIMEOUT_MS }, async ({ tool, args }) => {
    const { exit_code, stdout, stderr } = await runTool(tool, args, REPOSITORY)
    expect(exit_code, `${stdout}${stderr}`).toBe(0)
  })
})

describe('the documents', () => {
  test('every relative link leads to a file', async () => {
    const broken: string[] = []
    for (const document of await markdownFiles()) {
      const text = readFileSync(document, 'utf8').replaceAll(/```[\s\S]*?```/g, '')
      for (const [, target] of text.matchAll(/\]\((?![a-z]+:|#)([^)#\s]+)[^)]*\)/g)) {
        if (target !== undefined && !existsSync(resolve(dirname(document), target)))
          broken.push(`${document}: ${target}`)
      }
    }
    expect(broken).toEqual([])
  })
})

async function markdownFiles(): Promise<string[]> {
  const top = await readdir(REPOSITORY)
  const docs = await readdir(join(REPOSITORY, 'docs'), { recursive: true })
  return [...top, ...docs.map((name) => join('docs', name))]
    .filter((name) => name.endsWith('.md'))
    .map((name) => join(REPOSITORY, name))
}
