/** What a deployment decides about its health check. */
import { DEFAULT_HEALTH_LIMITS, type HealthLimits } from '../lib/protocol/maintenance/health/settings.ts'

/** Where reports with findings are sent. */
export interface WebhookSettings {
  readonly url: string
  /** Key of the signature; both sides have it. */
  readonly secret: string
}

/** The choices of one deployment. */
export interface HealthSettings {
  /** When something takes too long. */
  readonly limits: HealthLimits
  /** Null: nobody is told but the log. */
  readonly webhook: WebhookSettings | null
}

/** Those of a deployment that says nothing. */
export const DEFAULT_HEALTH_SETTINGS: HealthSettings = { limits: DEFAULT_HEALTH_LIMITS, webhook: null }
