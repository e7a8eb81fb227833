/** A time limit around a protocol operation, http-api.md 11: reads end, writes do not, and what is held is given back. */
import { describe, expect, test } from 'vitest'
import { withDeadline } from '../../lib/protocol/deadline.ts'
import { all, get, put, sha256, type Op, type Protocol, type Step } from '../../lib/protocol/effects.ts'
import { isBatch } from '../../lib/protocol/run.ts'
import { StoreError } from '../../lib/store/types.ts'

/** Drive it with a clock that each operation of the store moves on by a second. */
function drive<R>(protocol: Protocol<R>): { readonly result: R | StoreError; readonly performed: string[] } {
  const performed: string[] = []
  let now_ms = 0
  function perform(op: Op): unknown {
    switch (op.kind) {
      case 'now':
        return { now_ms, monotonic_ms: now_ms }
      case 'get':
        now_ms += 1_000
        performed.push(`get ${op.path}`)
        return { outcome: 'not_found' }
      case 'put':
        now_ms += 1_000
        performed.push(`put ${op.path}`)
        if (op.path === 'broken') throw new StoreError('denied', op.path, 'no right')
        return { outcome: 'ok', token: 't' }
      case 'sha256':
        return 'hash'
      case 'resolve':
      case 'known_root':
      case 'ulid':
      case 'pause':
      case 'parquet_rows':
      case 'note':
        throw new Error(`not expected: ${op.kind}`)
    }
  }
  const answerTo = (step: Step): unknown => (isBatch(step) ? step.map(perform) : perform(step))
  try {
    let next = protocol.next()
    while (next.done !== true) {
      let answer: unknown
      try {
        answer = answerTo(next.value)
      } catch (error) {
        next = protocol.throw(error)
        continue
      }
      next = protocol.next(answer as never)
    }
    return { result: next.value, performed }
  } catch (error) {
    if (error instanceof StoreError) return { result: error, performed }
    throw error
  }
}

const bytes = new Uint8Array(1)
const write = (path: string): Protocol<unknown> => put({ path, bytes, precondition: 'doesNotExist' })

/** Reads until it is told to stop, and gives back what it holds. */
function* reading(count: number): Protocol<string> {
  try {
    for (let number = 0; number < count; number++) yield* get(`object-${number}`, 1)
    return 'done'
  } finally {
    yield* write('released')
  }
}

describe('withDeadline', () => {
  test('changes nothing of an operation that is done in time', () => {
    expect(drive(withDeadline(reading(2), 5_000))).toEqual({
      result: 'done',
      performed: ['get object-0', 'get object-1', 'put released'],
    })
  })

  test('a read after the time is refused as if the store did not answer, and the release is still sent', () => {
    const { result, performed } = drive(withDeadline(reading(9), 2_000))
    expect(result).toMatchObject({ code: 'unavailable', key: 'object-2' })
    expect(performed).toEqual(['get object-0', 'get object-1', 'put released'])
  })

  test('of a batch the reads are refused one by one, the rest is performed, and answers keep their places', () => {
    function* mixed(): Protocol<unknown> {
      yield* get('first', 1)
      return yield* all([
        { kind: 'get', path: 'a', bytes_max: 1 },
        { kind: 'sha256', bytes },
        { kind: 'put', path: 'b', bytes, precondition: 'doesNotExist' },
        { kind: 'get', path: 'c', bytes_max: 1 },
      ])
    }
    const { result, performed } = drive(withDeadline(mixed(), 500))
    expect(result).toMatchObject([
      { outcome: 'failed', error: { code: 'unavailable', key: 'a' } },
      'hash',
      { outcome: 'ok' },
      { outcome: 'failed', error: { code: 'unavailable', key: 'c' } },
    ])
    expect(performed).toEqual(['get first', 'put b'])
  })

  test('writes and what needs no store go on after the time', () => {
    function* writing(): Protocol<string> {
      yield* get('first', 1)
      for (const path of ['a', 'b']) yield* write(path)
      return yield* sha256(bytes)
    }
    expect(drive(withDeadline(writing(), 500))).toEqual({
      result: 'hash',
      performed: ['get first', 'put a', 'put b'],
    })
  })

  test('what the environment throws is thrown into the operation', () => {
    function* careful(): Protocol<string> {
      try {
        yield* write('broken')
        return 'written'
      } catch (error) {
        return error instanceof StoreError ? error.code : 'lost'
      }
    }
    expect(drive(withDeadline(careful(), 5_000)).result).toBe('denied')
  })
})
