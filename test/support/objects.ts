/** Objects in tests: text in, text out, and reads and writes that must succeed. */
import type { PutResult, Store, StoredObject, Token } from '../../lib/store/types.ts'

/** Text as bytes. */
export function bytesOf(text: string): Uint8Array {
  return new TextEncoder().encode(text)
}

/** Bytes as text; bytes that are no UTF-8 fail. */
export function textOf(bytes: Uint8Array): string {
  return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes)
}

/** The token of a put that must have succeeded. */
export function tokenOf(result: PutResult): Token {
  if (result.outcome !== 'ok') throw new Error(`expected ok, got ${result.outcome}`)
  return result.token
}

/** Create an object that must not be there yet; its token. */
export async function createText(store: Store, key: string, text: string): Promise<Token> {
  return tokenOf(await store.put(key, bytesOf(text), 'doesNotExist'))
}

/** Replace a generation that must be the current one; the new token. */
export async function replaceText(store: Store, key: string, text: string, token: Token): Promise<Token> {
  return tokenOf(await store.put(key, bytesOf(text), { matchesVersion: token }))
}

/** The object at a key that must have one. */
export async function readObject(store: Store, key: string): Promise<StoredObject> {
  const object = await store.get(key)
  if (object.outcome !== 'ok') throw new Error(`expected an object at ${key}, got ${object.outcome}`)
  return object
}

/** The text at a key that must have one. */
export async function readText(store: Store, key: string): Promise<string> {
  return textOf((await readObject(store, key)).bytes)
}

/** Adds one to a counter as every client does it: read, replace what was read, and look again when that failed. */
export async function increment(store: Store, key: string): Promise<void> {
  for (;;) {
    const { bytes, token } = await readObject(store, key)
    const next = String(Number(textOf(bytes)) + 1)
    const put = await store.put(key, bytesOf(next), { matchesVersion: token })
    if (put.outcome === 'ok') return
    if (put.outcome === 'unknown') throw new Error('a write without a fault must not be unknown')
  }
}
