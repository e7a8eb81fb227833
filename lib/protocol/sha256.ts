/**
 * SHA-256 and HMAC-SHA-256 that answer at once. Web Crypto only answers later, and the fold derives run ids and the
 * writers derive idempotency keys in the middle of a synchronous step (spec/fold.md 8.1, spec/events.md 6). Objects
 * are hashed with Web Crypto, through the `sha256` effect; use this for short texts.
 */
/** Keyed hash with its key already absorbed; the same key is used for every run id of a workspace. */
export type Hmac = (message: Uint8Array) => Uint8Array

const BLOCK_BYTES = 64

/** FIPS 180-4 4.2.2: fractional parts of the cube roots of the first 64 primes. */
const ROUND_CONSTANTS = new Uint32Array([
  0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5, 0xd807aa98,
  0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174, 0xe49b69c1, 0xefbe4786,
  0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da, 0x983e5152, 0xa831c66d, 0xb00327c8,
  0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967, 0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13,
  0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85, 0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819,
  0xd6990624, 0xf40e3585, 0x106aa070, 0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a,
  0x5b9cca4f, 0x682e6ff3, 0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7,
  0xc67178f2,
])

/** FIPS 180-4 5.3.3: fractional parts of the square roots of the first 8 primes. */
const INITIAL_STATE = new Uint32Array([
  0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a, 0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19,
])

/** The 32 bytes of SHA-256. */
export function sha256Bytes(message: Uint8Array): Uint8Array {
  return finish(INITIAL_STATE, message, 0)
}

/** Lower-case hex SHA-256 of a text's UTF-8 bytes. */
export function sha256Hex(text: string): string {
  const digest = sha256Bytes(new TextEncoder().encode(text))
  return Array.from(digest, (byte) => byte.toString(16).padStart(2, '0')).join('')
}

/** HMAC-SHA-256 (RFC 2104) under `key`, which may be empty; one longer than a block is hashed first. */
export function hmacSha256(key: Uint8Array): Hmac {
  const padded = new Uint8Array(BLOCK_BYTES)
  padded.set(key.length > BLOCK_BYTES ? sha256Bytes(key) : key)
  const inner = compress(
    INITIAL_STATE,
    padded.map((byte) => byte ^ 0x36),
  )
  const outer = compress(
    INITIAL_STATE,
    padded.map((byte) => byte ^ 0x5c),
  )
  return (message) => finish(outer, finish(inner, message, BLOCK_BYTES), BLOCK_BYTES)
}

/** The digest of what `state` has absorbed, `absorbed_bytes` long, followed by `message`. */
function finish(state: Uint32Array, message: Uint8Array, absorbed_bytes: number): Uint8Array {
  let current = state
  const whole = message.length - (message.length % BLOCK_BYTES)
  for (let at = 0; at < whole; at += BLOCK_BYTES) {
    current = compress(current, message.subarray(at, at + BLOCK_BYTES))
  }
  for (const block of padding(message.subarray(whole), absorbed_bytes + message.length)) {
    current = compress(current, block)
  }
  const digest = new Uint8Array(32)
  const view = new DataView(digest.buffer)
  current.forEach((word, index) => view.setUint32(index * 4, word))
  return digest
}

/** The last one or two blocks: what is left, a single 1 bit, zeros, and the length in bits. */
function padding(rest: Uint8Array, bytes: number): Uint8Array[] {
  const length = rest.length + 9 > BLOCK_BYTES ? 2 * BLOCK_BYTES : BLOCK_BYTES
  const blocks = new Uint8Array(length)
  blocks.set(rest)
  blocks[rest.length] = 0x80
  new DataView(blocks.buffer).setBigUint64(length - 8, BigInt(bytes) * 8n)
  return length === BLOCK_BYTES ? [blocks] : [blocks.subarray(0, BLOCK_BYTES), blocks.subarray(BLOCK_BYTES)]
}

/** FIPS 180-4 6.2.2: the state after one more block. */
function compress(state: Uint32Array, block: Uint8Array): Uint32Array {
  const schedule = expand(block)
  let [a = 0, b = 0, c = 0, d = 0, e = 0, f = 0, g = 0, h = 0] = state
  for (let round = 0; round < 64; round += 1) {
    const sum1 = rotate(e, 6) ^ rotate(e, 11) ^ rotate(e, 25)
    const choice = (e & f) ^ (~e & g)
    const t1 = (h + sum1 + choice + word(ROUND_CONSTANTS, round) + word(schedule, round)) | 0
    const sum0 = rotate(a, 2) ^ rotate(a, 13) ^ rotate(a, 22)
    const majority = (a & b) ^ (a & c) ^ (b & c)
    h = g
    g = f
    f = e
    e = (d + t1) | 0
    d = c
    c = b
    b = a
    a = (t1 + sum0 + majority) | 0
  }
  const mixed = [a, b, c, d, e, f, g, h]
  return state.map((value, index) => value + (mixed[index] ?? 0))
}

function expand(block: Uint8Array): Uint32Array {
  const schedule = new Uint32Array(64)
  const view = new DataView(block.buffer, block.byteOffset, BLOCK_BYTES)
  for (let round = 0; round < 16; round += 1) schedule[round] = view.getUint32(round * 4)
  for (let round = 16; round < 64; round += 1) {
    const w15 = word(schedule, round - 15)
    const w2 = word(schedule, round - 2)
    const sigma0 = rotate(w15, 7) ^ rotate(w15, 18) ^ (w15 >>> 3)
    const sigma1 = rotate(w2, 17) ^ rotate(w2, 19) ^ (w2 >>> 10)
    schedule[round] = word(schedule, round - 16) + sigma0 + word(schedule, round - 7) + sigma1
  }
  return schedule
}

function rotate(value: number, bits: number): number {
  return (value >>> bits) | (value << (32 - bits))
}

function word(words: Uint32Array, index: number): number {
  return words[index] ?? 0
}
