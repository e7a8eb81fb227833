/** How the state is written: FINALIZE row by row (spec/coordinator.md 6.6), and no two writes alike (3.1, R13). */
import { describe, expect, test } from 'vitest'
import { dyingAfter, fullInflight, fullMarker, leaveIn } from '../support/crash-windows.ts'
import { START_MS } from '../support/service.ts'
import { STORES } from '../support/stores.ts'
import { logKey, useTables, waitUntil, type Table, type Wrap, type Writer } from '../support/tables.ts'

/** One version is there before: `n` is 0, `v` is 1. */
const n = 0
const v = 1

/** The state that FINALIZE(K, v) finds, K being recorded at v, and the one that it leaves. */
interface Row {
  readonly name: string
  readonly finds: (at: Table, writers: { k: Writer; two: Writer; l: Writer }) => Record<string, unknown>
  readonly log_above?: true
  readonly leaves: string
  readonly last_commit: 'K' | 'as it was'
}

const FINALIZE: readonly Row[] = [
  {
    name: 'K@v',
    finds: (at, { k }) => ({ latest_version: n, inflight: fullInflight(at, k) }),
    leaves: '{v, null}',
    last_commit: 'K',
  },
  {
    name: 'K at another version, log entry absent',
    finds: (at, { two }) => ({ latest_version: v, inflight: fullInflight(at, two) }),
    leaves: '{v, null}',
    last_commit: 'as it was',
  },
  {
    name: 'K at another version, log entry present',
    finds: (at, { two }) => ({ latest_version: v, inflight: fullInflight(at, two) }),
    log_above: true,
    leaves: '{v+1, null}',
    last_commit: 'as it was',
  },
  {
    name: 'another key at v, which is K (that reservation can never be logged)',
    finds: (at, { l }) => ({ latest_version: n, inflight: fullInflight(at, l) }),
    leaves: '{v, null}',
    last_commit: 'K',
  },
  {
    name: 'another key above v',
    finds: (at, { l }) => ({
      latest_version: v,
      inflight: {
        ...fullInflight(at, l),
        read_version: v,
        version: v + 1,
        delta_log_path: logKey(at.root, v + 1),
      },
    }),
    leaves: '{v, L@v+1}',
    last_commit: 'as it was',
  },
  {
    name: 'nothing, latest below v',
    finds: () => ({ latest_version: n, inflight: null }),
    leaves: '{v, null}',
    last_commit: 'K',
  },
  {
    name: 'nothing, latest above v',
    finds: () => ({ latest_version: v + 1, inflight: null }),
    log_above: true,
    leaves: '{v+1, null}',
    last_commit: 'as it was',
  },
]

describe.each(STORES)('the state on $name', ({ make }) => {
  const fresh = useTables(make)

  describe('6.6 FINALIZE(K, v) finds', () => {
    for (const { name, finds, log_above, leaves, last_commit } of FINALIZE) {
      test(`${name}: ${leaves}, last_commit ${last_commit}`, async () => {
        const at = fresh()
        await at.history(n)
        const { last_commit: old } = await at.state()
        const k = await at.writer('K', n)
        const { idempotency_key } = k.call
        const two = await at.writer('K with body 2', v, { idempotency_key })
        const l = await at.writer('L', n)
        await at.bucket.write(logKey(at.root, v), k.payload)
        await at.bucket.write(at.keys(k, v).marker, JSON.stringify(fullMarker(at, k)))
        if (log_above === true) await at.foreign(v + 1)
        await at.setState({ ...finds(at, { k, two, l }), last_commit: old, revision: 40 })

        expect(at.told(await at.service.commit(k.call), n)).toBe('200 v')
        expect((await at.picture(n)).state).toBe(leaves)
        const after = await at.state()
        expect(after.last_commit.commit_id).toBe(last_commit === 'K' ? idempotency_key : old.commit_id)
        const is_written = !['another key above v', 'nothing, latest above v'].includes(name)
        expect(after.revision).toBe(is_written ? 41 : 40)
      })
    }
  })

  describe('3.1 no write repeats what the key has held (R13, N5)', () => {
    /** Every text that a process puts at the state's key. */
    function recording(): { readonly wrap: Wrap; readonly texts: string[] } {
      const texts: string[] = []
      return {
        texts,
        wrap: (store) => ({
          ...store,
          async put(key, bytes, precondition, options) {
            if (key.includes('/delta/coordinator/')) texts.push(new TextDecoder().decode(bytes))
            return store.put(key, bytes, precondition, options)
          },
        }),
      }
    }

    test('reserve, drop, reserve again, commit: all different, revision up by one each time', async () => {
      const at = fresh()
      await at.history(n)
      const { revision } = await at.state()
      const { wrap, texts } = recording()
      const process = at.process({ wrap })
      const k = await at.writer('K', n)
      await at.process({ wrap: (store) => dyingAfter(1)(wrap(store)) }).commit(k.call)
      const { payload, call } = k
      await at.bucket.remove(call.staged_path)
      waitUntil(at.clock, 'after TTL')
      await process.recover(at.table_id)
      const staged_version = await at.bucket.write(call.staged_path, payload)
      expect(at.told(await process.commit({ ...call, staged_version }), n)).toBe('200 v')
      expect(new Set(texts).size).toBe(texts.length)
      const revisions = texts.map((text) => JSON.parse(text).revision - revision)
      expect(revisions.toSorted((a, b) => a - b)).toEqual([1, 2, 3, 4])
      const nonces = texts.flatMap((text) => JSON.parse(text).inflight?.nonce ?? [])
      expect(new Set(nonces).size).toBe(2)
    })

    test('an older writer dropped the revision: it starts again at the clock', async () => {
      const at = fresh()
      await at.history(n)
      const k = await at.writer('K', n)
      await leaveIn(at, 'W1', k, 'arco')
      at.clock.now_ms = START_MS + 5
      expect(at.told(await at.service.commit(k.call), n)).toBe('200 v')
      expect((await at.state()).revision).toBe(START_MS + 5)
    })
  })
})
