/** The gates on the wire, apart from what runs them: the reference of the API has no use for that. */
import * as z from 'zod'

/** Body of a request to run the gates. */
export const GatesBody = z.strictObject({
  reason: z.string().meta({ description: 'Why; for the log', minLength: 1 }),
})

/** What it is answered with, whatever came out. */
export const GatesRun = z.object({
  conclusion: z.enum(['held', 'broken', 'undecided']).meta({
    description: '`broken`: a promise does not hold here. `undecided`: the store did not let all be proven',
  }),
  scratch: z.string().meta({ description: 'What every key of this run started with' }),
  gates: z.array(
    z.object({
      id: z.string(),
      promise: z.string().meta({ description: 'What holds when the gate does' }),
      verdict: z.enum(['holds', 'broken', 'undecided', 'not_run']),
      evidence: z.string().meta({ description: 'What was seen' }),
    }),
  ),
})
