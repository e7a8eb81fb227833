/** Where a Cloud Storage emulator is. */
import { withoutTrailingSlashes } from '../../lib/store/keys.ts'

/** The address of a Cloud Storage emulator: `STORAGE_EMULATOR_HOST` may be a bare host or carry the API's path, as SDKs differ. */
export function emulatorUrl(text: string): string {
  const url = text.includes('://') ? text : `http://${text}`
  return withoutTrailingSlashes(url).replace(/\/storage\/v1$/, '')
}
