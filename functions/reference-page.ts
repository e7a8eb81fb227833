/** GET /docs: the OpenAPI document as one page for people, readable without scripts and without a network. */
import { html, raw } from 'hono/html'
import type {
  ApiDocument,
  ApiOperation,
  ApiResponse,
  JsonSchema,
  Media,
  Parameter,
  Reference,
} from './openapi.ts'
import { PROBLEMS, type Reason } from './problem.ts'
import { problemExample } from './problem-examples.ts'
import { membersOf, typeOf } from './reference-members.ts'
import { REFERENCE_STYLE } from './reference-style.ts'

type Html = ReturnType<typeof html>

/** The page loads nothing and runs nothing, and says so to the browser. */
const POLICY =
  "default-src 'none'; img-src data:; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

/** Render the document. `origin` is where the examples are sent to. */
export async function referencePage(document: ApiDocument, origin: string): Promise<Response> {
  const page = html`<!doctype html>
    <html lang="en">
      <head>
        <meta charset="utf-8" />
        <meta name="viewport" content="width=device-width, initial-scale=1" />
        <title>${document.info.title} API</title>
        <link rel="icon" href="data:," />
        <style>
          ${raw(REFERENCE_STYLE)}
        </style>
      </head>
      <body>
        ${navigation(document)}
        <main>
          <h1>${document.info.title} API</h1>
          ${document.info.description.split('\n\n').map((text) => html`<p>${prose(text)}</p>`)}
          <p>
            Every answer has <code>X-Request-Id</code> and <code>Cache-Control: no-store</code>. The same as
            data: <a href="/openapi.json">/openapi.json</a> (OpenAPI ${document.openapi}).
          </p>
          ${document.tags.map(
            ({ name, description }) =>
              html`<section id="${name}">
                <h2>${name}</h2>
                <p class="quiet">${description}</p>
                ${operationsOf(document, name).map((each) => article(document, each, origin))}
              </section>`,
          )}
          ${reasons(document)}
        </main>
      </body>
    </html>`
  return new Response(String(await page), {
    headers: { 'content-type': 'text/html; charset=utf-8', 'content-security-policy': POLICY },
  })
}

/** One operation with its place. */
interface Placed {
  readonly method: 'GET' | 'POST'
  readonly path: string
  readonly operation: ApiOperation
}

function operationsOf(document: ApiDocument, tag?: string): readonly Placed[] {
  return Object.entries(document.paths).flatMap(([path, { get, post }]) =>
    [
      { method: 'POST' as const, path, operation: post },
      { method: 'GET' as const, path, operation: get },
    ].filter((each): each is Placed => isTagged(each.operation, tag)),
  )
}

function isTagged(operation: ApiOperation | undefined, tag: string | undefined): operation is ApiOperation {
  return operation !== undefined && (tag === undefined || operation.tags.includes(tag))
}

function navigation(document: ApiDocument): Html {
  return html`<nav aria-label="Routes">
    ${document.tags.map(
      ({ name }) =>
        html`<h2>${name}</h2>
          <ul>
            ${operationsOf(document, name).map(
              ({ operation }) => html`<li><a href="#${operation.operationId}">${operation.summary}</a></li>`,
            )}
          </ul>`,
    )}
    <h2>Refusals</h2>
    <ul>
      <li><a href="#reasons">Reasons</a></li>
    </ul>
  </nav>`
}

function article(document: ApiDocument, { method, path, operation }: Placed, origin: string): Html {
  const { operationId, summary, description, parameters, requestBody, responses } = operation
  const refusals = Object.entries(responses).filter(([status]) => status !== '200')
  return html`<article>
    <h3 id="${operationId}">${summary}</h3>
    <p class="route">
      <span class="method ${method.toLowerCase()}">${method}</span><code>${breakable(path)}</code>
    </p>
    <p>${prose(description)}</p>
    <h4>Parameters</h4>
    ${parameterTable(document, parameters)}
    ${
      requestBody === undefined
        ? ''
        : html`<h4>Body</h4>
            <p>${requestBody.description}</p>
            ${memberTable(document, requestBody.content['application/json'].schema)}`
    }
    <h4>Example</h4>
    <pre><code>${curl({ method, path, operation }, origin)}</code></pre>
    ${okAnswer(document, responses['200'])}
    <h4>Refusals</h4>
    ${refusalTable(refusals)}
  </article>`
}

function parameterTable(document: ApiDocument, parameters: readonly (Parameter | Reference)[]): Html {
  const rows = parameters.flatMap((each) => ('$ref' in each ? parameterOf(document, each) : [each]))
  return table(
    ['name', 'in', 'type', 'description'],
    rows.map(({ name, in: place, required, schema, description }) => ({
      cells: [
        html`<code>${name}</code>`,
        required ? `${place}, required` : place,
        typeOf(schema, document),
        prose(description),
      ],
    })),
  )
}

function parameterOf(document: ApiDocument, { $ref }: Reference): readonly Parameter[] {
  const parameter = document.components.parameters[$ref.slice('#/components/parameters/'.length)]
  return parameter === undefined ? [] : [parameter]
}

function memberTable(document: ApiDocument, schema: JsonSchema): Html {
  const members = membersOf(schema, document)
  if (members.length === 0) return html`<p class="quiet">No members.</p>`
  return table(
    ['member', 'type', 'description'],
    members.map(({ name, type, required, description }) => ({
      cells: [html`<code>${name}</code>`, required ? type : `${type}, optional`, prose(description)],
    })),
  )
}

function okAnswer(document: ApiDocument, response: ApiResponse | undefined): Html {
  if (response === undefined) return html``
  const media = Object.values(response.content)[0]
  const own_headers = Object.keys(response.headers).filter((name) => !EVERYWHERE.has(name))
  return html`<h4>Answer</h4>
    <p><span class="ok">200</span> ${prose(response.description)}</p>
    ${own_headers.map(
      (name) =>
        html`<p>
          Header <code>${name}</code>: ${prose(document.components.headers[name]?.description ?? '')}
        </p>`,
    )}
    ${media === undefined || media.example === undefined ? '' : answerBody(document, media)}`
}

/** Headers of every answer; the introduction names them once. */
const EVERYWHERE: ReadonlySet<string> = new Set(['X-Request-Id', 'Cache-Control'])

function answerBody(document: ApiDocument, { schema, example }: Media): Html {
  return html`${memberTable(document, schema)}
    <pre><code>${JSON.stringify(example, null, 2)}</code></pre>`
}

function refusalTable(refusals: readonly (readonly [status: string, response: ApiResponse])[]): Html {
  return table(
    ['status', 'reason', 'meaning'],
    refusals.flatMap(([status, { content }]) =>
      Object.entries(content['application/problem+json']?.examples ?? {}).map(([reason, { summary }]) => ({
        cells: [
          html`<span class="refused">${status}</span>`,
          html`<a href="#${reason}"><code>${reason}</code></a>`,
          summary,
        ],
      })),
    ),
  )
}

/** Every reason that a route lists, then those that any request can meet or that later routes will have. */
function reasons(document: ApiDocument): Html {
  const listed = new Set(
    operationsOf(document).flatMap(({ operation }) =>
      Object.values(operation.responses).flatMap(({ content }) =>
        Object.keys(content['application/problem+json']?.examples ?? {}),
      ),
    ),
  )
  const names = Object.keys(PROBLEMS) as Reason[]
  return html`<section id="reasons">
    <h2>Reasons</h2>
    <p>
      Programs decide on <code>reason</code>. What a reason promises about the payload: <b>definite</b>, it is
      not in the log and never will be; <b>malformed</b>, no write was made; <b>refused</b>, the request was
      not looked at; <b>repeat</b>, this attempt changed nothing, others of the key may have; <b>unknown</b>,
      it may be committed, and the same key and body tell; <b>operator</b>, nothing, until somebody changes
      something.
    </p>
    ${reasonTable(names.filter((name) => listed.has(name)))}
    <h4>Of no route in particular, or of routes to come</h4>
    ${reasonTable(names.filter((name) => !listed.has(name)))}
  </section>`
}

function reasonTable(names: readonly Reason[]): Html {
  return table(
    ['reason', 'status', 'promise', 'send it again', 'meaning'],
    names.map((reason) => {
      const { status, promise, retryable, has_retry_after, title } = PROBLEMS[reason]
      return {
        id: reason,
        cells: [
          html`<code>${reason}</code>`,
          String(status),
          promise,
          retryable ? (has_retry_after ? 'after Retry-After' : 'yes') : 'no',
          html`${title}
            <details>
              <summary>example</summary>
              <pre><code>${JSON.stringify(problemExample(reason), null, 2)}</code></pre>
            </details>`,
        ],
      }
    }),
  )
}

/** A table that becomes a list of labelled values on a phone. */
function table(
  columns: readonly string[],
  rows: readonly { readonly id?: string; readonly cells: readonly (Html | string)[] }[],
): Html {
  return html`<table>
    <thead>
      <tr>
        ${columns.map((name) => html`<th scope="col">${name}</th>`)}
      </tr>
    </thead>
    <tbody>
      ${rows.map(
        ({ id, cells }) =>
          html`<tr ${id === undefined ? '' : html`id="${id}"`}>
            ${cells.map((cell, at) => html`<td data-label="${columns[at]}">${cell}</td>`)}
          </tr>`,
      )}
    </tbody>
  </table>`
}

const EXAMPLE_TABLE = '0194f5a0-1c00-7c3d-9b1e-2f6a4d8e0c11'

/** A command that works as it is printed, given a server and a table. */
function curl({ method, path, operation }: Placed, origin: string): string {
  const command = `curl -sS ${quoted(origin + path.replace('{table_id}', EXAMPLE_TABLE))}`
  const example = operation.requestBody?.content['application/json'].example
  if (method === 'GET' || example === undefined) return command
  return `${command} \\\n  -H 'Content-Type: application/json' \\\n  -d ${quoted(JSON.stringify(example))}`
}

/** One word for a shell, whatever is in it. */
function quoted(text: string): string {
  return `'${text.replaceAll("'", "'\\''")}'`
}

/** A path that may be broken before its slashes only. */
function breakable(path: string): Html {
  return html`${path.split(/(?=\/)/).map((segment) => html`<wbr />${segment}`)}`
}

/** Text with `code` and **strong** parts. */
function prose(text: string): Html {
  return html`${text.split(/(`[^`]+`|\*\*[^*]+\*\*)/).map((part) => {
    if (part.startsWith('`')) return html`<code>${part.slice(1, -1)}</code>`
    return part.startsWith('**') ? html`<strong>${part.slice(2, -2)}</strong>` : part
  })}`
}
