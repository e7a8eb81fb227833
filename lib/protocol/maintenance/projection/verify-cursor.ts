/** Where a verification goes on, as the opaque text that clients hand back. */
import * as z from 'zod'
import { parseJson, stringifyJson } from '../../json.ts'
import { isProjectionPath } from '../../orchestration/paths.ts'

const ManifestPath = z.string().refine(isProjectionPath)

const PositionText = z.discriminatedUnion('stage', [
  z.strictObject({ stage: z.literal('head') }),
  z.strictObject({
    stage: z.literal('chain'),
    manifest_path: ManifestPath,
    /** The manifest whose parent is next, and how many were read. */
    child_path: ManifestPath,
    revisions: z.int().min(0),
  }),
  z.strictObject({ stage: z.literal('artifacts'), manifest_path: ManifestPath, group: z.int().min(0) }),
  z.strictObject({ stage: z.literal('ledger'), manifest_path: ManifestPath, after: z.string() }),
  z.strictObject({ stage: z.literal('orphans') }),
])

/** A stage and the place in it; the revision that is verified is named by its manifest. */
export type Position = Readonly<z.infer<typeof PositionText>>

/** The position of one stage. */
export type PositionOf<S extends Position['stage']> = Extract<Position, { readonly stage: S }>

/** The text of a position: base64url of its JSON. */
export function printCursor(position: Position): string {
  return btoa(stringifyJson(position)).replaceAll('+', '-').replaceAll('/', '_').replaceAll('=', '')
}

/** The position in a text, or null when it is none of ours. */
export function parseCursor(text: string): Position | null {
  try {
    const json = atob(text.replaceAll('-', '+').replaceAll('_', '/'))
    const parsed = PositionText.safeParse(parseJson(new TextEncoder().encode(json)))
    return parsed.success ? parsed.data : null
  } catch {
    return null
  }
}
