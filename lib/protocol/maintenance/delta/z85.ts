/** Z85 (ZeroMQ RFC 32): five characters stand for four bytes, most significant first. */

const ALPHABET = '0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ.-:+=^!/*?&<>()[]{}@%$#'

/** The bytes, or null for a text that is no Z85. */
export function decodeZ85(text: string): Uint8Array | null {
  if (text.length % 5 !== 0) return null
  const view = new DataView(new ArrayBuffer((text.length / 5) * 4))
  for (let group = 0; group < text.length / 5; group += 1) {
    let value = 0
    for (const char of text.slice(group * 5, group * 5 + 5)) {
      const digit = ALPHABET.indexOf(char)
      if (digit === -1) return null
      value = value * 85 + digit
    }
    if (value >= 2 ** 32) return null
    view.setUint32(group * 4, value)
  }
  return new Uint8Array(view.buffer)
}
