/** Single cases of the fold that histories hardly ever come to. */
import { expect, test } from 'vitest'
import { loadState, takeDelta } from '../../../lib/protocol/orchestration/fold/layers.ts'
import { UNDERSTAND } from '../../support/fold-laws.ts'

test('Q7: a state of no layers has nothing to write', () => {
  expect(takeDelta(loadState(UNDERSTAND))).toEqual({ rows: {}, deletions: {} })
})
