/**
 * MD5 (RFC 1321), because the checksum of `_last_checkpoint` is one (spec/delta-log-rules.md 9) and Web Crypto has none. A
 * checksum against accidents; never for anything that somebody might want to forge.
 */

const SHIFTS = [7, 12, 17, 22, 5, 9, 14, 20, 4, 11, 16, 23, 6, 10, 15, 21]

const SINES = Int32Array.from({ length: 64 }, (_, index) =>
  Math.floor(Math.abs(Math.sin(index + 1)) * 2 ** 32),
)

/** Lower-case hex MD5. */
export function md5(bytes: Uint8Array): string {
  const state = Int32Array.of(0x67452301, 0xefcdab89, 0x98badcfe, 0x10325476)
  const message = padded(bytes)
  const view = new DataView(message.buffer)
  for (let block = 0; block < message.length; block += 64) addBlock(state, view, block)
  const digest = new DataView(new ArrayBuffer(16))
  for (const [index, word] of state.entries()) digest.setInt32(index * 4, word, true)
  return Array.from(new Uint8Array(digest.buffer), (byte) => byte.toString(16).padStart(2, '0')).join('')
}

function padded(bytes: Uint8Array): Uint8Array<ArrayBuffer> {
  const message = new Uint8Array(Math.ceil((bytes.length + 9) / 64) * 64)
  message.set(bytes)
  message[bytes.length] = 0x80
  new DataView(message.buffer).setBigUint64(message.length - 8, BigInt(bytes.length) * 8n, true)
  return message
}

function addBlock(state: Int32Array, view: DataView, block: number): void {
  let [a = 0, b = 0, c = 0, d = 0] = state
  for (let step = 0; step < 64; step += 1) {
    const round = step >> 4
    const [mixed, word] = mix(round, step, { b, c, d })
    const sum = (a + mixed + (SINES[step] ?? 0) + view.getInt32(block + word * 4, true)) | 0
    const shift = SHIFTS[round * 4 + (step % 4)] ?? 0
    const rotated = (sum << shift) | (sum >>> (32 - shift))
    ;[a, d, c, b] = [d, c, b, (b + rotated) | 0]
  }
  for (const [index, word] of [a, b, c, d].entries()) state[index] = ((state[index] ?? 0) + word) | 0
}

/** The function of a round, and which word of the block it takes. */
function mix(
  round: number,
  step: number,
  { b, c, d }: { readonly b: number; readonly c: number; readonly d: number },
): readonly [number, number] {
  if (round === 0) return [(b & c) | (~b & d), step]
  if (round === 1) return [(d & b) | (~d & c), (5 * step + 1) % 16]
  if (round === 2) return [b ^ c ^ d, (3 * step + 5) % 16]
  return [c ^ (b | ~d), (7 * step) % 16]
}
