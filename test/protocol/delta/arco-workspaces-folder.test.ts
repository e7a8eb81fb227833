import { describe, expect, test } from 'vitest'
import { folderWorkspace } from '../../support/workspace.ts'
import { ASKS, expectAsk, WORKSPACES } from './arco-expected.ts'

describe("every ask on a folder store that holds Arco's tree and tokens", () => {
  test.each(ASKS)('$promise', async ({ workspace, ask }) => {
    const { store, close } = await folderWorkspace(workspace)
    try {
      await expectAsk(store, workspace, ask)
    } finally {
      close()
    }
  })
})

test.each(WORKSPACES)(
  'storage.md 5.5 $name lies in the folder byte for byte, under its own tokens',
  async (tree) => {
    const { store, close } = await folderWorkspace(tree)
    try {
      for (const { key, bytes, token } of tree.objects) {
        expect(await store.get(key)).toMatchObject({ outcome: 'ok', bytes, token })
      }
    } finally {
      close()
    }
  },
)
