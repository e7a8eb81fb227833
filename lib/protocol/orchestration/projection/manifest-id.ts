/** Ids of manifests: 20 digits that only have to increase along the pointer (spec/manifests.md 6). */

/** Id of the manifest that a bootstrap publishes. */
export const FIRST_MANIFEST_ID = idText(0)

/** The number in an id, or null when it is none, or one that cannot be told from its neighbour. */
export function idNumber(manifest_id: string): number | null {
  const number = Number(manifest_id)
  return /^[0-9]{20}$/.test(manifest_id) && Number.isSafeInteger(number) ? number : null
}

/** The id of a number. */
export function idText(number: number): string {
  if (!Number.isSafeInteger(number) || number < 0) throw new RangeError(`no manifest id for ${number}`)
  return String(number).padStart(20, '0')
}
