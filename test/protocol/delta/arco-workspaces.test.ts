import { describe, expect, test } from 'vitest'
import { askGenerator } from '../../support/ask.ts'
import { clockOf } from '../../support/delta-workspace.ts'
import { memoryWorkspace } from '../../support/workspace.ts'
import { DIFFERENCES } from './arco-differences.ts'
import { ASKS, expectAsk, expected, WORKSPACES } from './arco-expected.ts'

test('all 108 asks of the 12 Delta workspaces are asked, and every difference belongs to one of them', () => {
  expect(WORKSPACES.map(({ name }) => name)).toEqual([
    'delta-catalog-http',
    'delta-committed',
    'delta-ghost-reservation',
    'delta-legacy-reservation',
    'delta-state-lost',
    'delta-w1',
    'delta-w1-first-commit',
    'delta-w1-foreign-log',
    'delta-w1-restaged',
    'delta-w2',
    'delta-w2-staged-deleted',
    'delta-w3',
  ])
  expect(ASKS).toHaveLength(108)
  const names = new Set(ASKS.map(({ workspace, ask }) => `${workspace.name}: ${ask.ask}`))
  expect(names.size).toBe(108)
  const different = Object.entries(DIFFERENCES).flatMap(([name, asks]) =>
    Object.keys(asks).map((ask) => `${name}: ${ask}`),
  )
  expect(different.filter((name) => !names.has(name))).toEqual([])
  expect(different).toHaveLength(47)
})

describe('every ask, over HTTP or as a marker look-up', () => {
  test.each(ASKS)('$promise', async ({ workspace, ask }) => {
    await expectAsk(memoryWorkspace(workspace), workspace, ask)
  })
})

describe('every ask that passes coordinator.md 6.1, by the generator alone', () => {
  const commits = ASKS.filter(
    ({ workspace, ask }) => ask.how === 'commit' && expected(workspace, ask).answer?.status !== 400,
  )

  test('there are 86', () => {
    expect(commits).toHaveLength(86)
  })

  test.each(commits)('$promise', async ({ workspace, ask }) => {
    const answer = await askGenerator(memoryWorkspace(workspace), workspace, ask, clockOf(workspace, ask))
    expect(answer).toEqual(expected(workspace, ask).answer)
  })
})
