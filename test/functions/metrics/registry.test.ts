import { describe, expect, test } from 'vitest'
import { createRegistry, type Catalogue } from '../../../functions/metrics/registry.ts'
import { familiesOf, samplesOf, valueOf } from '../../support/prometheus.ts'

const CATALOGUE = {
  asked_total: { type: 'counter', help: 'Asked.', labels: { by: ['user', 'service'] } },
  wide_total: {
    type: 'counter',
    help: 'Wide.',
    labels: {
      a: Array.from({ length: 9 }, (_, each) => `a${each}`),
      b: Array.from({ length: 9 }, (_, each) => `b${each}`),
    },
  },
  bare_total: { type: 'counter', help: 'Bare.', labels: {} },
  left: { type: 'gauge', help: 'Left\nover \\ "here".', labels: { tenant_id: null } },
  took_seconds: { type: 'histogram', help: 'Took.', labels: { by: ['user'] }, buckets: [0.1, 1, 10] },
} as const satisfies Catalogue

describe('the registry, http-api.md 8', () => {
  test('counters add up, each series by itself', () => {
    const registry = createRegistry(CATALOGUE)
    registry.add('asked_total', { by: 'user' })
    registry.add('asked_total', { by: 'user' }, 2)
    expect(valueOf(registry.text(), 'asked_total', { by: 'user' })).toBe(3)
    expect(valueOf(registry.text(), 'asked_total', { by: 'service' })).toBe(0)
  })

  test('small counters are there from the start, at 0, so that an alert sees the first increase; wide ones are not', () => {
    const text = createRegistry(CATALOGUE).text()
    expect(text).toContain('asked_total{by="user"} 0\nasked_total{by="service"} 0\n')
    expect(text).toContain('bare_total 0\n')
    expect(text).not.toContain('wide_total{')
  })

  test('what is not in the set of a label is counted as other: no text of a client becomes a series', () => {
    const registry = createRegistry(CATALOGUE)
    for (const by of ['tenant-7', '"} 1\nevil 1', '', 'USER'])
      registry.add('asked_total', { by: by as 'user' })
    expect(valueOf(registry.text(), 'asked_total', { by: 'other' })).toBe(4)
    expect(registry.text()).not.toMatch(/tenant-7|evil|USER/)
  })

  test('a gauge is what it was set to last; text of the configuration is escaped', () => {
    const registry = createRegistry(CATALOGUE)
    registry.set('left', { tenant_id: 'a"\\\nb' }, 7)
    registry.set('left', { tenant_id: 'a"\\\nb' }, 4.5)
    expect(registry.text()).toContain(String.raw`left{tenant_id="a\"\\\nb"} 4.5`)
    expect(registry.text()).toContain(String.raw`# HELP left Left\nover \\ "here".`)
  })

  test.each([
    [0.1, [1, 1, 1, 1]],
    [0.100_001, [0, 1, 1, 1]],
    [10, [0, 0, 1, 1]],
    [11, [0, 0, 0, 1]],
  ])('%d is in every bucket whose bound it does not pass', (value, counts) => {
    const registry = createRegistry(CATALOGUE)
    registry.observe('took_seconds', { by: 'user' }, value)
    const of = (suffix: string) =>
      samplesOf(registry.text()).filter(({ name }) => name === `took_seconds_${suffix}`)
    expect(of('bucket').map(({ labels }) => labels)).toEqual(
      ['0.1', '1', '10', '+Inf'].map((le) => ({ by: 'user', le })),
    )
    expect(of('bucket').map((sample) => sample.value)).toEqual(counts)
    expect(of('sum')).toEqual([{ name: 'took_seconds_sum', labels: { by: 'user' }, value }])
    expect(of('count')).toEqual([{ name: 'took_seconds_count', labels: { by: 'user' }, value: 1 }])
  })

  test('two registries share nothing', () => {
    const one = createRegistry(CATALOGUE)
    one.add('bare_total', {})
    expect(valueOf(createRegistry(CATALOGUE).text(), 'bare_total')).toBe(0)
  })

  test('an independent parser reads every family, with its type and help', () => {
    const registry = createRegistry(CATALOGUE)
    registry.observe('took_seconds', { by: 'user' }, 3)
    expect(familiesOf(registry.text()).map(({ name, type }) => [name, type])).toEqual([
      ['asked_total', 'COUNTER'],
      ['wide_total', 'COUNTER'],
      ['bare_total', 'COUNTER'],
      ['left', 'GAUGE'],
      ['took_seconds', 'HISTOGRAM'],
    ])
  })
})
