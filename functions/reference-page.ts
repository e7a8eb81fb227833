/** GET /docs: the reference as one plain page, readable without scripts and without a network. */
import { html } from 'hono/html'
import type { ApiDocument } from './openapi.ts'
import { PROBLEMS } from './problem.ts'

/** Render the document and the table of reasons. */
export async function referencePage(document: ApiDocument): Promise<Response> {
  const operations = Object.entries(document.paths ?? {}).flatMap(([path, item]) =>
    Object.entries(item ?? {}).map(([method, operation]) => ({
      path,
      method: method.toUpperCase(),
      operation: operation as unknown,
    })),
  )
  const page = html`<!doctype html>
    <html lang="en">
      <head>
        <meta charset="utf-8" />
        <meta name="viewport" content="width=device-width, initial-scale=1" />
        <title>Tidemark API</title>
        <style>
          body {
            font:
              15px/1.5 system-ui,
              sans-serif;
            max-width: 60rem;
            margin: 2rem auto;
            padding: 0 1rem;
            color: #1b2733;
          }
          h2 {
            border-top: 1px solid #d5dde5;
            padding-top: 1rem;
          }
          code,
          pre {
            font:
              13px/1.5 ui-monospace,
              monospace;
            background: #f3f6f9;
          }
          pre {
            padding: 0.75rem;
            overflow-x: auto;
          }
          td,
          th {
            text-align: left;
            padding: 0.2rem 0.8rem 0.2rem 0;
            vertical-align: top;
          }
        </style>
      </head>
      <body>
        <h1>Tidemark API</h1>
        <p>
          ${document.info.description ?? ''}. The same as data: <a href="/openapi.json">/openapi.json</a>.
        </p>
        ${operations.map(
          ({ path, method, operation }) =>
            html`<h2><code>${method} ${path}</code></h2>
              <pre>${JSON.stringify(operation, null, 2)}</pre>`,
        )}
        <h2>Reasons</h2>
        <table>
          <tr>
            <th>reason</th>
            <th>status</th>
            <th>repeat as it is?</th>
            <th>meaning</th>
          </tr>
          ${Object.entries(PROBLEMS).map(
            ([reason, { status, retryable, title }]) =>
              html`<tr id="${reason}">
                <td><code>${reason}</code></td>
                <td>${status}</td>
                <td>${retryable ? 'yes' : 'no'}</td>
                <td>${title}</td>
              </tr>`,
          )}
        </table>
      </body>
    </html>`
  return new Response(String(await page), { headers: { 'content-type': 'text/html; charset=utf-8' } })
}
