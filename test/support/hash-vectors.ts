/** The worked examples of spec/coordinator.md 4.2, typed in from there. */

/** One example; `staged_version` is the raw string value. */
export interface HashVector {
  readonly name: string
  readonly payload: Uint8Array
  readonly payload_sha256: string
  readonly idempotency_key: string
  readonly key_sha256: string | null
  readonly read_version: number
  readonly staged_path: string
  readonly staged_version: string
  readonly request_canonical: string
  readonly request_hash: string
  /** Null where the specification gives only the digest. */
  readonly legacy_canonical: string | null
  readonly legacy_hash: string
}

/** The table of every vector. */
export const VECTOR_TABLE = '0194f5a0-1c00-7c3d-9b1e-2f6a4d8e0c11'

const STAGING = `delta/staging/${VECTOR_TABLE}`

/** H1, H2, H5, H4 in the order of the specification. H3 is refused before anything is hashed. */
export const HASH_VECTORS: readonly HashVector[] = [
  {
    name: 'H1',
    payload: Buffer.from('{"commitInfo":{"timestamp":1}}\n'),
    payload_sha256: 'eef53383035eb0e5f1105963d48e4b61c1fb21130a8d322e6a2cd423c555ebad',
    idempotency_key: '0194f5a0-2000-7abc-8def-0123456789ab',
    key_sha256: 'bc64749fc56f7804882c7df20604a8986ebd57e6b8fe669b624033bdc8c26f5f',
    read_version: -1,
    staged_path: `${STAGING}/01JKTT0G00Z4N2V8R6W1X3Y5ZB.json`,
    staged_version: '1',
    request_canonical:
      '{"idempotency_key":"0194f5a0-2000-7abc-8def-0123456789ab","read_version":-1,"staged_path":"delta/staging/0194f5a0-1c00-7c3d-9b1e-2f6a4d8e0c11/01JKTT0G00Z4N2V8R6W1X3Y5ZB.json","staged_payload_sha256":"eef53383035eb0e5f1105963d48e4b61c1fb21130a8d322e6a2cd423c555ebad"}',
    request_hash: '4033a7110a23fe4a260d8c275f52c3829059be9b4f91950c725aeaf6abf83784',
    legacy_canonical:
      '{"idempotency_key":"0194f5a0-2000-7abc-8def-0123456789ab","read_version":-1,"staged_path":"delta/staging/0194f5a0-1c00-7c3d-9b1e-2f6a4d8e0c11/01JKTT0G00Z4N2V8R6W1X3Y5ZB.json","staged_version":"1"}',
    legacy_hash: '9bfb53d73b538d223058691e933ac3d2f489dd6c1613945e78ad77b74cca1142',
  },
  {
    name: 'H2',
    payload: Buffer.from(
      '7b22636f6d6d6974496e666f223a7b2274696d657374616d70223a313733393434333230303132332c226f7065726174696f6e223a225752495445222c22757365724d65746164617461223a225ac3bc7269636820e2809320e69db1e4baac20e29c93227d7d0a7b22616464223a7b2270617468223a22706172742d30303030302e736e617070792e70617271756574222c2273697a65223a313032342c226d6f64696669636174696f6e54696d65223a313733393434333230303030302c22646174614368616e6765223a747275652c22706172746974696f6e56616c756573223a7b7d7d7d0a',
      'hex',
    ),
    payload_sha256: 'f35088208e723068dc83ac16f9178b06010f93814c5718de0dede694cfb8c2a6',
    idempotency_key: '0194f5a1-3b7c-7e51-a2b3-c4d5e6f70819',
    key_sha256: '979b720d81706033ce25da021586881dfa79306eedee2b215f10a807ca43ea18',
    read_version: 41,
    staged_path: `${STAGING}/01JKTT2EVW9QK3M7P5R1S8T6V4.json`,
    staged_version: '{"e_tag":"\\"5d41402abc4b2a76b9719d911017c592\\"","version":"1739443200123456"}',
    request_canonical:
      '{"idempotency_key":"0194f5a1-3b7c-7e51-a2b3-c4d5e6f70819","read_version":41,"staged_path":"delta/staging/0194f5a0-1c00-7c3d-9b1e-2f6a4d8e0c11/01JKTT2EVW9QK3M7P5R1S8T6V4.json","staged_payload_sha256":"f35088208e723068dc83ac16f9178b06010f93814c5718de0dede694cfb8c2a6"}',
    request_hash: '96942d4b674729738161c236a85475ef6ecf9637dbf170f05ac48ced0c976112',
    legacy_canonical:
      '{"idempotency_key":"0194f5a1-3b7c-7e51-a2b3-c4d5e6f70819","read_version":41,"staged_path":"delta/staging/0194f5a0-1c00-7c3d-9b1e-2f6a4d8e0c11/01JKTT2EVW9QK3M7P5R1S8T6V4.json","staged_version":"{\\"e_tag\\":\\"\\\\\\"5d41402abc4b2a76b9719d911017c592\\\\\\"\\",\\"version\\":\\"1739443200123456\\"}"}',
    legacy_hash: '1e3d348983ae6b07ea41ad63c6343f7a08a826cdb67d0c21093929e620534585',
  },
  {
    name: 'H5',
    payload: Buffer.from('{"commitInfo":{}}'),
    payload_sha256: '30982322d3695c886a23a3f5e40d9117d5b2567b7b895cc45c68254a5a5201d4',
    idempotency_key: '0194f5a2-0000-7000-bfff-fffffffffffe',
    key_sha256: null,
    read_version: 9_007_199_254_740_990,
    staged_path: `${STAGING}/01JKTT400000000000000000ZZ.json`,
    staged_version: '"etag-with-quotes"',
    request_canonical:
      '{"idempotency_key":"0194f5a2-0000-7000-bfff-fffffffffffe","read_version":9007199254740990,"staged_path":"delta/staging/0194f5a0-1c00-7c3d-9b1e-2f6a4d8e0c11/01JKTT400000000000000000ZZ.json","staged_payload_sha256":"30982322d3695c886a23a3f5e40d9117d5b2567b7b895cc45c68254a5a5201d4"}',
    request_hash: 'b392c649693a4b09867026d0cfa8fcbb727f73bf0dfd3e120a64cfc7b9350a3e',
    legacy_canonical:
      '{"idempotency_key":"0194f5a2-0000-7000-bfff-fffffffffffe","read_version":9007199254740990,"staged_path":"delta/staging/0194f5a0-1c00-7c3d-9b1e-2f6a4d8e0c11/01JKTT400000000000000000ZZ.json","staged_version":"\\"etag-with-quotes\\""}',
    legacy_hash: '193f6bcdf5ddf2e01ab27a287391068a7e5f216f552bdba83c45c401fc12bd2c',
  },
  {
    name: 'H4',
    payload: Buffer.from('{"commitInfo":{"version":7}}\n'),
    payload_sha256: '9dba4fddf36fb32216f815a9b1c4f7ae5c56b313d4f705468ba9f14aadf35dd5',
    idempotency_key: '0194f5a3-89ab-7cde-8f01-23456789abcd',
    key_sha256: null,
    read_version: 6,
    staged_path: `${STAGING}/0194f5a3-89ab-7cde-8f01-23456789abcd.json`,
    staged_version: '{"e_tag":"\\"9e107d9d372bb6826bd81d3542a419d6\\"","version":null}',
    request_canonical:
      '{"idempotency_key":"0194f5a3-89ab-7cde-8f01-23456789abcd","read_version":6,"staged_path":"delta/staging/0194f5a0-1c00-7c3d-9b1e-2f6a4d8e0c11/0194f5a3-89ab-7cde-8f01-23456789abcd.json","staged_payload_sha256":"9dba4fddf36fb32216f815a9b1c4f7ae5c56b313d4f705468ba9f14aadf35dd5"}',
    request_hash: '0d3e41703751099e25408bd2fbce6f6b7b315c5f505b02b48c2c80984504a60e',
    legacy_canonical: null,
    legacy_hash: '84840c925586e4458d6f04ebddaeb1f8da2da42ab0a87de28c362ebf63dec966',
  },
]
