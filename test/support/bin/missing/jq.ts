/** The few filters of jq that the runbook and `npm start` print; anything else is refused with exit code 64. */
import { readFileSync } from 'node:fs'
import { parseArgs } from 'node:util'

const { values, positionals } = parseArgs({
  options: { 'raw-output': { type: 'boolean', short: 'r' } },
  allowPositionals: true,
})
const [filter = '.', file, ...more] = positionals
const text = readFileSync(file ?? 0, 'utf8')
// Like jq: no input, no output.
if (text.trim() !== '') {
  const result = apply(filter, JSON.parse(text))
  const is_raw = values['raw-output'] === true && typeof result === 'string'
  process.stdout.write(`${is_raw ? result : JSON.stringify(result, null, 2)}\n`)
}

function apply(filter: string, input: Record<string, unknown>): unknown {
  if (more.length > 0) return refuse()
  if (filter === '.') return input
  const member = /^\.([a-z_]+)$/.exec(filter)?.[1]
  if (member !== undefined) return input[member] ?? null
  const picked = /^\{([a-z_, ]+)\}$/.exec(filter)?.[1]
  if (picked !== undefined) {
    const names = picked.split(',').map((name) => name.trim())
    return Object.fromEntries(names.map((name) => [name, input[name] ?? null]))
  }
  const added = /^\. \+ (\{.*\})$/.exec(filter)?.[1]
  if (added !== undefined) return { ...input, ...JSON.parse(added.replaceAll(/([a-z_]+):/g, '"$1":')) }
  return refuse()
}

function refuse(): never {
  process.stderr.write(`jq stand-in: not supported: ${process.argv.slice(2).join(' ')}\n`)
  process.exit(64)
}
