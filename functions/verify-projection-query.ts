/** Query of `GET /internal/verify/projection`. */

/** Objects of one page, about, unless told. */
export const LIMIT_DEFAULT = 1_000
/** The most that may be asked for. */
export const LIMIT_MAX = 10_000

/** Query members, as OpenAPI describes them. */
export const VERIFY_PROJECTION_QUERY = [
  {
    name: 'limit',
    description: 'About how many objects one answer looks at.',
    schema: { type: 'integer', minimum: 1, maximum: LIMIT_MAX, default: LIMIT_DEFAULT },
  },
  { name: 'cursor', description: '`next` of the answer before.', schema: { type: 'string' } },
] as const
