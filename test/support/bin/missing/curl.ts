/** The few options of curl that the runbook and `npm start` print; anything else is refused with exit code 64. */
import { readFileSync } from 'node:fs'
import { parseArgs } from 'node:util'

const { values, positionals } = parseArgs({
  options: {
    silent: { type: 'boolean', short: 's' },
    'show-error': { type: 'boolean', short: 'S' },
    request: { type: 'string', short: 'X' },
    header: { type: 'string', short: 'H', multiple: true },
    data: { type: 'string', short: 'd' },
  },
  allowPositionals: true,
})
const [url, ...more] = positionals
if (url === undefined || more.length > 0) {
  process.stderr.write('curl stand-in: expected one URL\n')
  process.exit(64)
}
const headers = (values.header ?? []).map((line): [string, string] => {
  const colon = line.indexOf(':')
  return [line.slice(0, colon), line.slice(colon + 1).trim()]
})
const body = values.data === undefined ? null : dataOf(values.data)
const answer = await fetch(url, { method: values.request ?? (body === null ? 'GET' : 'POST'), headers, body })
process.stdout.write(await answer.text())

/** `@file` and `@-` are read, and lose their line ends as with the real one. */
function dataOf(data: string): string {
  if (!data.startsWith('@')) return data
  return readFileSync(data === '@-' ? 0 : data.slice(1), 'utf8').replaceAll(/[\r\n]/g, '')
}
