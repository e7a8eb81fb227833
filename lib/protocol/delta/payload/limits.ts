import type { JsonLimits } from '../../json.ts'

/**
 * Limits for JSON that a client wrote for Delta readers: wide enough for everything that those read, because
 * unknown members must pass (DL-207), `__proto__` among them. The size is bounded by the request body.
 */
export const CLIENT_LIMITS: JsonLimits = {
  depth_max: 1000,
  members_max: Infinity,
  name_chars_max: Infinity,
  forbid_proto: false,
}
