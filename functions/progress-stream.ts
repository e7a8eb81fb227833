/**
 * A rebuild that its caller follows: one JSON object a line, `{"progress": …}` while it works, then `{"result": …}` with the
 * 200 of the route or `{"problem": …}` with its refusal. The work does not depend on anybody who listens.
 */
import type * as z from 'zod'
import type { Note, RebuildProgress } from '../lib/protocol/effects.ts'
import { stringifyJson } from '../lib/protocol/json.ts'
import type { ProgressBody } from './folded.ts'
import { contextOf, type Call } from './handler.ts'
import { problemBody } from './problem.ts'
import { problemOfError } from './unexpected.ts'

/** What a client asks for that wants to follow. */
export const NDJSON = 'application/x-ndjson'

/** How followed work ended: as the last line, or as a whole answer when no line was written before. */
export interface Ended {
  readonly line: { readonly result: unknown } | { readonly problem: unknown }
  answer(): Response
}

/**
 * Answer with lines, the first of which is written when there is progress. Work that ends before that has the answer that it
 * would have without lines, and its status.
 */
export async function followed(call: Call, work: (watched: Call) => Promise<Ended>): Promise<Response> {
  const encoder = new TextEncoder()
  let controller: ReadableStreamDefaultController<Uint8Array> | null = null
  const stream = new ReadableStream<Uint8Array>({
    start: (given) => {
      controller = given
    },
    // Whoever listened is gone; the work goes on.
    cancel: () => {
      controller = null
    },
  })
  const write = (line: object): void => controller?.enqueue(encoder.encode(`${stringifyJson(line)}\n`))
  const begun = Promise.withResolvers<'begun'>()
  const watched: Call = {
    ...call,
    note(note: Note) {
      call.note(note)
      if (note.note !== 'rebuild_progress') return
      write({ progress: progressBody(note) })
      begun.resolve('begun')
    },
  }
  const working = work(watched)
  const first = await Promise.race([begun.promise, working])
  if (first !== 'begun') return first.answer()
  call.goesOn(
    working
      .then(
        ({ line }) => line,
        (error: unknown) => {
          call.failed(error)
          return { problem: problemBody(problemOfError(error), contextOf(call)) }
        },
      )
      .then((line) => {
        write(line)
        controller?.close()
      }),
  )
  return new Response(stream, { headers: { 'content-type': NDJSON } })
}

function progressBody(progress: RebuildProgress): z.infer<typeof ProgressBody> {
  const { note: _note, events_total, events_folded, events_read, elapsed_ms, ...rest } = progress
  return {
    ...rest,
    events_total,
    events_read,
    events_folded,
    remaining: events_total - events_folded,
    events_per_second: elapsed_ms === 0 ? 0 : Math.round((1000 * events_read) / elapsed_ms),
    elapsed_ms,
  }
}
