/**
 * What lies in a table's `_delta_log/`, from one listing: names and sizes, no bytes. The listing is the only way to find
 * UUID checkpoints, sidecars, gaps and strangers, and nobody but maintenance may ask for it (C17).
 */
import type { ListedObject } from '../../../store/types.ts'
import { list, type Maintenance } from '../effects.ts'
import { logNameOf } from './names.ts'

/** An object as the listing showed it. */
export interface SeenObject {
  /** Relative to the workspace. */
  readonly path: string
  readonly size: number
}

/** One checkpoint: everything that belongs together at one version. */
export interface Checkpoint {
  readonly version: number
  readonly kind: 'classic' | 'parts' | 'uuid_json' | 'uuid_parquet'
  /** Its files; for `parts` in order of their numbers. */
  readonly files: readonly SeenObject[]
  /** For `parts`: how many there should be. */
  readonly parts: number
}

/** A log compaction file of `from..version`. */
export interface Compaction extends SeenObject {
  readonly from: number
  readonly version: number
}

/** The log directory of one table. */
export interface LogSurvey {
  readonly root: string
  /** Versions with a commit file, ascending. */
  readonly commits: readonly number[]
  /** Commit files by version. */
  readonly commit_files: ReadonlyMap<number, SeenObject>
  /** Ascending by version; of one version the preferred one first: UUID-named, parts, classic (spec/delta-log-rules.md 8). */
  readonly checkpoints: readonly Checkpoint[]
  readonly checksums: ReadonlyMap<number, SeenObject>
  readonly compactions: readonly Compaction[]
  readonly staged_commits: readonly SeenObject[]
  /** Sidecars by path. */
  readonly sidecars: ReadonlyMap<string, SeenObject>
  readonly misnamed: readonly SeenObject[]
  /** How many pages of the listing were read. */
  readonly pages: number
  /** False when the directory holds more objects than one look takes in. */
  readonly complete: boolean
}

/** Objects of one log directory that are taken in; some 100 bytes of memory each. */
const OBJECTS_MAX = 500_000

const PAGE_OBJECTS = 1000

/** List the log directory of a root. */
export function* surveyLog(root: string): Maintenance<LogSurvey> {
  const survey = new Survey(root)
  let start_after: string | undefined
  do {
    const page = yield* list({
      prefix: `${root}/_delta_log/`,
      limit: PAGE_OBJECTS,
      ...(start_after === undefined ? {} : { start_after }),
    })
    survey.take(page.objects)
    start_after = page.next_start_after
  } while (start_after !== undefined && survey.objects < OBJECTS_MAX)
  return survey.result(start_after === undefined)
}

/** Sorts listed objects into their kinds. */
class Survey {
  objects = 0
  private pages = 0
  private readonly commit_files = new Map<number, SeenObject>()
  private readonly checksums = new Map<number, SeenObject>()
  private readonly single: Checkpoint[] = []
  private readonly parts = new Map<
    string,
    { version: number; parts: number; files: Map<number, SeenObject> }
  >()
  private readonly compactions: Compaction[] = []
  private readonly staged_commits: SeenObject[] = []
  private readonly sidecars = new Map<string, SeenObject>()
  private readonly misnamed: SeenObject[] = []
  private readonly root: string

  constructor(root: string) {
    this.root = root
  }

  take(objects: readonly ListedObject[]): void {
    this.pages += 1
    this.objects += objects.length
    for (const { key, size } of objects) this.place({ path: key, size })
  }

  result(complete: boolean): LogSurvey {
    const { root, commit_files, checksums, compactions, staged_commits, sidecars, misnamed, pages } = this
    const commits = [...commit_files.keys()].toSorted((a, b) => a - b)
    const in_parts = Array.from(this.parts.values(), ({ version, parts, files }): Checkpoint => ({
      version,
      kind: 'parts',
      parts,
      files: [...files].toSorted(([a], [b]) => a - b).map(([, file]) => file),
    }))
    const checkpoints = [...this.single, ...in_parts].toSorted(byPreference)
    return {
      root,
      commits,
      commit_files,
      checkpoints,
      checksums,
      compactions,
      staged_commits,
      sidecars,
      misnamed,
      pages,
      complete,
    }
  }

  private place(file: SeenObject): void {
    const name = logNameOf(file.path.slice(`${this.root}/_delta_log/`.length))
    switch (name.kind) {
      case 'commit':
        this.commit_files.set(name.version, file)
        return
      case 'checksum':
        this.checksums.set(name.version, file)
        return
      case 'classic_checkpoint':
        this.single.push({ version: name.version, kind: 'classic', files: [file], parts: 1 })
        return
      case 'uuid_checkpoint':
        this.single.push({ version: name.version, kind: `uuid_${name.format}`, files: [file], parts: 1 })
        return
      case 'part':
        this.placePart(name, file)
        return
      case 'compaction':
        this.compactions.push({ ...file, from: name.from, version: name.version })
        return
      case 'staged_commit':
        this.staged_commits.push(file)
        return
      case 'sidecar':
        this.sidecars.set(file.path, file)
        return
      case 'misnamed_commit':
        this.misnamed.push(file)
        return
      case 'hint':
      case 'other':
        return
    }
  }

  private placePart(
    { version, part, parts }: { version: number; part: number; parts: number },
    file: SeenObject,
  ): void {
    const id = `${version}/${parts}`
    const group = this.parts.get(id) ?? { version, parts, files: new Map<number, SeenObject>() }
    this.parts.set(id, group)
    if (part >= 1 && part <= parts) group.files.set(part, file)
  }
}

/** A multi-part checkpoint counts only with all of its parts (DL-802). */
export function isComplete({ kind, files, parts }: Checkpoint): boolean {
  return kind !== 'parts' || files.length === parts
}

/** The latest version of the log: that of its last entry, or of its last checkpoint when there are no entries; else -1. */
export function latestVersion({ commits, checkpoints }: LogSurvey): number {
  return commits.at(-1) ?? checkpoints.filter(isComplete).at(-1)?.version ?? -1
}

const PREFERENCE: Readonly<Record<Checkpoint['kind'], number>> = {
  uuid_parquet: 0,
  uuid_json: 1,
  parts: 2,
  classic: 3,
}

function byPreference(one: Checkpoint, other: Checkpoint): number {
  return one.version - other.version || PREFERENCE[one.kind] - PREFERENCE[other.kind]
}
