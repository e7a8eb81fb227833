/** The threats of spec/correctness.md 11 and what each asks for: the rows of docs/security.md. */

/** One row. */
export interface ThreatRow {
  readonly threat: string
  /** What has to hold, as the specification says it. */
  readonly requirement: string
}

/** All rows by id, in order. */
export const THREATS: Readonly<Record<`S${number}`, ThreatRow>> = {
  S1: {
    threat: 'cross-tenant read/write by id swap',
    requirement:
      'tenant/workspace come only from the verified token; a mismatching header, path or body value → 403 before any store call',
  },
  S2: {
    threat: 'path traversal in `staged_path`, `rebuild_manifest_path`, `event_paths`, table root',
    requirement:
      'allow-list regex per field after one Unicode-NFC check; reject `..`, `.`, `//`, leading `/`, `\\`, `%`, control chars, non-NFC, > 1024 bytes; final check: resolved key starts with the scope prefix',
  },
  S3: {
    threat: 'table root from catalog points outside scope',
    requirement: 'same validator on stored metadata, not only on input',
  },
  S4: {
    threat: 'SSRF / bucket hop through rebuild paths or URLs',
    requirement:
      'rebuild fields are keys, never URLs; anything matching `^[a-z][a-z0-9+.-]*:` → 400; adapter host is fixed at start; redirects not followed',
  },
  S5: {
    threat: 'unauthenticated inspect / health leakage',
    requirement:
      'all routes except `/health`, `/ready`, `/version` need auth (`/metrics`: `http-api.md` 8); these carry no tenant data',
  },
  S6: {
    threat: 'missing function-level authorisation',
    requirement: '`/rebuild`, collect, force-release need role `internal`; commit role cannot call them',
  },
  S7: {
    threat: 'JWT alg confusion, `none`, key confusion',
    requirement:
      'explicit `algorithms` allow-list per key type; `alg` header never selects key family; `crit` unknown → reject; `exp` required, `nbf` checked when present, `iss` and `aud` required outside the dev posture (`http-api.md` 3.3); `typ` checked when present; clock tolerance ≤ 60 s',
  },
  S8: {
    threat: 'JWKS poisoning / DoS',
    requirement:
      'JWKS URL fixed in config, https only, size ≤ 256 KiB, cached with cooldown on unknown `kid`',
  },
  S9: {
    threat: 'token comparison timing',
    requirement:
      'static service tokens compared as SHA-256 digests with constant-time equality; lengths hidden by hashing',
  },
  S10: {
    threat: 'token in logs/errors/traces',
    requirement: 'redaction by key and by value pattern at the logger boundary',
  },
  S11: {
    threat: 'log injection',
    requirement: 'structured JSON logs only; user strings length-capped and escaped; no string concatenation',
  },
  S12: {
    threat: 'error oracle',
    requirement:
      '404 vs 403 indistinguishable across tenants; no stack, no bucket, no path the client did not send in bodies',
  },
  S13: {
    threat: 'giant body',
    requirement:
      'hard byte cap while streaming (per route `http-api.md` 1, per stored object `storage.md` 8); 413 before parse',
  },
  S14: {
    threat: 'JSON depth / width bombs',
    requirement:
      'depth ≤ 64 (stored events ≤ 127, `events.md` 2.1), keys ≤ 10 000 per object, checked during parse or by pre-scan before any recursive code (canonicaliser, clone, validator)',
  },
  S15: {
    threat: 'prototype pollution',
    requirement:
      'reject `__proto__`, `constructor`, `prototype` as keys at any depth; maps keyed by user data are `Map` or null-prototype. Exception: stored events, where `__proto__` is a legal `labels` key (`fold.md` 11) and is kept in a `Map`',
  },
  S16: {
    threat: 'duplicate JSON keys / parser differential',
    requirement: 'duplicate keys rejected on control bodies',
  },
  S17: {
    threat: 'integer tricks',
    requirement: 'integers only, no exponent/fraction/−0/NaN strings (422), safe range ±(2^53−1) (400)',
  },
  S18: {
    threat: 'ReDoS',
    requirement: 'only linear patterns; no nested quantifiers; lint + runtime budget',
  },
  S19: {
    threat: 'rebuild list DoS',
    requirement:
      '≤ 1 000 000 paths, streamed, per-path ≤ 512 B, per-event ≤ 1 MiB, total bytes cap, concurrency cap, wall budget with resumable state',
  },
  S20: {
    threat: 'decompression / Parquet bomb',
    requirement: 'cap on decoded page bytes, row groups, columns, dictionary size before allocation',
  },
  S21: {
    threat: 'poisoned stored JSON',
    requirement:
      'every read validated against schema; violation → 500 `state_corrupt`, `marker_corrupt`, `lock_corrupt` or `object_corrupt` with `object_class`, never the content (a listed event: 422 `event_invalid`); no write',
  },
  S22: {
    threat: 'cache poisoning',
    requirement:
      'caches keyed by (tenant, workspace, table); hold only (bytes, token) from own GET/PUT; never used for negatives (R7); `Cache-Control: no-store` on all answers',
  },
  S23: {
    threat: 'idempotency key squatting across principals',
    requirement: 'marker scope includes tenant/workspace/table; optionally principal id stored and compared',
  },
  S24: {
    threat: 'commit content smuggling',
    requirement:
      'payload follows `delta-log-rules.md` 14 A (unknown actions pass through), ≤ caps, at most one `commitInfo`, `add.path` relative or inside table root (policy flag, DL-405)',
  },
  S25: {
    threat: 'confused deputy in help path',
    requirement: 'recovery acts only on reservations whose `staged_path` passes R16 for this table',
  },
  S26: {
    threat: 'replay of service tokens / CSRF',
    requirement: 'bearer only, no cookies; CORS off by default',
  },
  S27: {
    threat: 'header parsing ambiguity',
    requirement: 'duplicate `Authorization`, `Idempotency-Key`, tenant headers → 400; header size caps',
  },
  S28: {
    threat: 'method/route confusion',
    requirement: 'strict routing, trailing slash and case variations → 404; `X-HTTP-Method-Override` ignored',
  },
  S29: {
    threat: 'request smuggling',
    requirement:
      'reject `Transfer-Encoding`+`Content-Length`; keep runtime parser strict (no insecure parser flag)',
  },
  S30: {
    threat: 'rate and concurrency abuse',
    requirement:
      'token bucket per tenant (`http-api.md` 9), optionally per table; bounded waiters per table; 429 `rate_limited` + `Retry-After`',
  },
  S31: {
    threat: 'store credential leakage / over-scope',
    requirement:
      'credentials scoped to prefix and verbs; compactor role alone may write projections; startup prints effective scope without secrets',
  },
  S32: {
    threat: 'weak randomness',
    requirement: 'nonces and ULIDs from the platform CSPRNG',
  },
  S33: {
    threat: 'dependency compromise',
    requirement: '≤ a handful of runtime dependencies, lockfile, provenance, no install scripts',
  },
  S34: {
    threat: 'clock attack',
    requirement: 'JWT time checks use server clock; TTL cannot break safety (R12)',
  },
  S35: {
    threat: 'mass assignment',
    requirement: 'unknown members in request bodies of every route → 400 (strict schemas)',
  },
  S36: {
    threat: 'response splitting / header injection',
    requirement: 'no user data in headers except validated UUID',
  },
  S37: {
    threat: 'denial by poison reservation',
    requirement: 'R11',
  },
  S38: {
    threat: 'denial by orphan artifacts',
    requirement: 'Q1, Q8',
  },
  S39: {
    threat: 'tampering with the ledger',
    requirement: 'events if-absent; canonical path check; optional manifest of hashes verified on rebuild',
  },
  S40: {
    threat: 'secrets in traces (§9.12)',
    requirement: 'traces carry path classes and hashes, no bodies',
  },
}
