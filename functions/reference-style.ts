/** How the reference page looks: one column on a phone, a list of the routes beside it on a desk; by day and by night. */
export const REFERENCE_STYLE = `
:root {
  color-scheme: light dark;
  --text: #16212b; --quiet: #566776; --line: #dbe3ea; --ground: #fff; --shade: #f4f7f9;
  --link: #0b63b0; --get: #0a6b4b; --post: #7a3fae; --ok: #0a6b4b; --refused: #a2431d; --mark: #fff3c9;
}
@media (prefers-color-scheme: dark) {
  :root {
    --text: #dfe7ee; --quiet: #96a6b4; --line: #2b3742; --ground: #11181e; --shade: #19232b;
    --link: #74b7f2; --get: #5bc99c; --post: #c79bf0; --ok: #5bc99c; --refused: #f0966d; --mark: #4a3d12;
  }
}
* { box-sizing: border-box; }
html { scroll-padding-top: 1rem; }
body { margin: 0; background: var(--ground); color: var(--text); font: 16px/1.55 system-ui, sans-serif; }
a { color: var(--link); text-decoration: none; }
a:hover { text-decoration: underline; }
:focus-visible { outline: 2px solid var(--link); outline-offset: 2px; }
code, pre { font: 0.875em/1.5 ui-monospace, "SF Mono", Menlo, Consolas, monospace; }
td code, p code { overflow-wrap: anywhere; }
.route code { overflow-wrap: normal; }
nav { padding: 1.25rem 1.25rem 0; }
nav h2 { margin: 1rem 0 0.25rem; font-size: 0.75rem; letter-spacing: 0.06em; text-transform: uppercase; color: var(--quiet); }
nav ul { margin: 0; padding: 0; list-style: none; }
nav li { padding: 0.125rem 0; }
main { max-width: 56rem; padding: 0 1.25rem 4rem; }
h1 { margin: 1.25rem 0 0; font-size: 1.75rem; }
main > section { margin-top: 3rem; }
main > section > h2 { margin: 0 0 0.5rem; padding-bottom: 0.375rem; border-bottom: 1px solid var(--line); font-size: 1.375rem; }
article { margin-top: 2.5rem; }
article > h3 { margin: 0; font-size: 1.125rem; }
h4 { margin: 1.5rem 0 0.375rem; font-size: 0.8125rem; letter-spacing: 0.04em; text-transform: uppercase; color: var(--quiet); }
p { margin: 0.5rem 0; }
.quiet { color: var(--quiet); }
.route { display: flex; flex-wrap: wrap; gap: 0.25rem 0.625rem; margin: 0.375rem 0; padding: 0.5rem 0.75rem; border-radius: 6px; background: var(--shade); }
.method { font-weight: 700; }
.get { color: var(--get); }
.post { color: var(--post); }
.ok { color: var(--ok); font-weight: 600; }
.refused { color: var(--refused); font-weight: 600; }
table { width: 100%; border-collapse: collapse; font-size: 0.9375rem; }
th { text-align: left; font-weight: 600; color: var(--quiet); font-size: 0.8125rem; }
th, td { padding: 0.375rem 0.75rem 0.375rem 0; border-bottom: 1px solid var(--line); vertical-align: top; }
tr:target td { background: var(--mark); }
td:first-child code { white-space: nowrap; }
pre { margin: 0.375rem 0; padding: 0.75rem; overflow-x: auto; border-radius: 6px; background: var(--shade); }
details pre { white-space: pre-wrap; overflow-wrap: anywhere; }
details > summary { cursor: pointer; color: var(--quiet); font-size: 0.875rem; }
@media (min-width: 64rem) {
  body { display: grid; grid-template-columns: 17rem minmax(0, 1fr); }
  nav { position: sticky; top: 0; height: 100vh; overflow-y: auto; border-right: 1px solid var(--line); }
  main { padding: 0 2.5rem 6rem; }
}
@media (max-width: 40rem) {
  thead { display: none; }
  table, tbody, tr, td { display: block; }
  tr { padding: 0.5rem 0; border-bottom: 1px solid var(--line); }
  td { padding: 0.0625rem 0; border: 0; }
  td:not(:first-child, :last-child) { display: inline-block; margin-right: 1rem; }
  td:first-child code { white-space: normal; font-weight: 600; }
  td:not(:first-child, :last-child)::before { content: attr(data-label) ": "; color: var(--quiet); font-size: 0.8125rem; }
}
@media print { nav { display: none; } details > *:not(summary) { display: block; } }
`
