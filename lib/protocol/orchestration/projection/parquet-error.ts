/** A Parquet file that breaks a rule. */

/** The caller knows which object it is, and answers `object_corrupt`. */
export class ParquetError extends Error {}
