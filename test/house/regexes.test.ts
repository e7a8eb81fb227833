/**
 * S18: no expression of the product takes more than linear time. The yardstick is not a clock but an expression that is known to
 * be quadratic: each of ours needs less processor time for 100 KiB than that one for an eighth of it.
 */
import { expect, test, vi } from 'vitest'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { cpuTime_ms } from '../support/cpu-time.ts'
import { hostileTexts, regexesOf, type FoundRegex } from '../support/regex-literals.ts'
import { REPOSITORY } from './tools.ts'

const BIG_CHARS = 100 * 1024
const YARD_CHARS = BIG_CHARS / 8
const SMALL_CHARS = 2 * 1024

/** What a search that begins again at every character costs. */
const QUADRATIC = /a+$/

function use(regex: RegExp, text: string): void {
  const fresh = new RegExp(regex.source, regex.flags)
  fresh.test(text)
  if (regex.global) text.replaceAll(fresh, '')
}

/** The texts that take the longest when they are small, made larger. */
function worstTexts(regex: RegExp, chars: number): string[] {
  const timed = hostileTexts(regex).map((text) => {
    const small = text(SMALL_CHARS)
    const start = performance.now()
    use(regex, small)
    return { text, took_ms: performance.now() - start }
  })
  const worst = timed.toSorted((a, b) => b.took_ms - a.took_ms).slice(0, 4)
  return worst.map(({ text }) => text(chars))
}

/** Processor time of the worst texts together, ms. */
function cost_ms(regex: RegExp, chars = BIG_CHARS): number {
  const texts = worstTexts(regex, chars)
  return cpuTime_ms(() => {
    for (const text of texts) use(regex, text)
  })
}

const budget_ms = cpuTime_ms(() => use(QUADRATIC, `${'a'.repeat(YARD_CHARS)}b`))

test('the yardstick tells quadratic from linear', () => {
  expect(cost_ms(/[ab]+c/, YARD_CHARS)).toBeGreaterThan(budget_ms)
  expect(cost_ms(/^a+$/)).toBeLessThan(budget_ms / 4)
})

const { literals, built_in } = await regexesOf(['lib', 'functions', 'cli'])

test(`each of ${literals.length} literals is linear`, () => {
  expect(literals.length).toBeGreaterThan(100)
  expect(slowOnes(literals)).toEqual([])
})

test('so is each that is put together when a module is loaded; none is made when a function is called', async () => {
  const built: FoundRegex[] = []
  for (const file of built_in) built.push(...(await builtByLoading(file)))
  expect(new Set(built.map(({ at }) => at))).toEqual(built_in)
  expect(slowOnes(built)).toEqual([])
})

function slowOnes(all: readonly FoundRegex[]): string[] {
  const distinct = new Map(all.map((each) => [String(each.regex), each]))
  return [...distinct.values()].flatMap(({ at, regex }) =>
    cost_ms(regex) < budget_ms ? [] : [`${at} ${String(regex)}`],
  )
}

/** Load a module afresh, and remember what it makes. */
async function builtByLoading(file: string): Promise<FoundRegex[]> {
  const made: RegExp[] = []
  vi.resetModules()
  vi.stubGlobal(
    'RegExp',
    new Proxy(RegExp, {
      construct(target, args: [string, string?]) {
        const regex = new target(...args)
        made.push(regex)
        return regex
      },
    }),
  )
  await import(pathToFileURL(join(REPOSITORY, file)).href)
  vi.unstubAllGlobals()
  return made.map((regex) => ({ at: file, regex }))
}
