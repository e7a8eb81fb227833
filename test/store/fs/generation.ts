/** Bytes that show whether they are whole: a number, a digest, and a body of any length. */
import { createHash } from 'node:crypto'

/** The bytes of a generation. */
export function nextGeneration(number: number, body: Uint8Array): Uint8Array {
  const text = Buffer.from(body).toString('base64')
  return new TextEncoder().encode(`${number} ${digest(number, text)} ${text}`)
}

/** The number of a generation; throws when its bytes are not exactly what one writer wrote. */
export function parseGeneration(bytes: Uint8Array): { readonly number: number } {
  const [number_text = '', seen = '', text = ''] = new TextDecoder().decode(bytes).split(' ')
  const number = Number(number_text)
  if (seen !== digest(number, text)) throw new Error(`a torn object of ${bytes.length} bytes`)
  return { number }
}

function digest(number: number, text: string): string {
  return createHash('sha256').update(`${number} ${text}`).digest('hex')
}
