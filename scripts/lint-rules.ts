/**
 * The lint rules that are ours: which way imports point, no ambient clock, no `===` on secrets, a doc comment on
 * every export. oxlint loads this file as a plugin (`jsPlugins` in .oxlintrc.json); test/house/lint.test.ts proves
 * each rule. They are here, and not in the linter's own `no-restricted-imports`, because that one compares the text
 * of an import while these compare the file that it names.
 */
import { dirname, relative, resolve } from 'node:path'

/** The part of a syntax node that the rules look at; the linter's own node types are not exported. */
interface Node {
  readonly type: string
  readonly loc: { readonly start: { readonly line: number }; readonly end: { readonly line: number } }
  readonly [member: string]: unknown
}

interface Comment {
  readonly type: string
  readonly value: string
}

interface Context {
  readonly filename: string
  readonly sourceCode: {
    getCommentsBefore(node: Node): readonly Comment[]
    getAllComments(): readonly Comment[]
  }
  report(finding: { node: Node; message: string }): void
}

interface Rule {
  create(context: Context): Record<string, (node: Node) => void>
}

const ROOT = resolve(import.meta.dirname, '..')

/** Modules of lib/store that are not a driver; everything else there belongs to the driver that its name opens with. */
const STORE_SHARED = [
  'types',
  'tokens',
  'keys',
  'limits',
  'faults',
  'scoped',
  'unscoped',
  'listing',
  'content',
  'network',
  'certify',
]

/** What protocol code may use of lib/store: the words of the interface, never a driver. */
const STORE_WORDS = /^lib\/store\/(types|tokens|keys)\.ts$/

/** Packages that are pure computation and run on every runtime. */
const PURE_PACKAGES = /^(zod|canonicalize|hyparquet|hyparquet-writer|ulid|uuid)(\/|$)/

/** Node itself, the SDKs of one cloud and the adapters of one runtime: for drivers and entry files. */
const RUNTIME_PACKAGES =
  /^(node:|@aws-sdk\/|@google-cloud\/|aws4fetch$|cloudflare:|@hono\/node-server|hono\/(aws-lambda|bun|cloudflare-|deno|lambda-edge|netlify|service-worker|vercel))/

/** `lib/store/fs-lock.ts` and `lib/store/fs/lock.ts` belong to the driver `fs`. */
function driverOf(path: string): string | null {
  const stem = /^lib\/store\/([a-z0-9]+)/.exec(path)?.[1]
  return stem === undefined || STORE_SHARED.includes(stem) ? null : stem
}

/** Why `from` must not import `to`, or null. `to` is a path in this repository, or the name of a package. */
function importFinding(from: string, to: { path: string } | { package: string }): string | null {
  if (from.startsWith('lib/protocol/')) {
    if ('package' in to) {
      return PURE_PACKAGES.test(to.package)
        ? null
        : `lib/protocol is pure: ${to.package} must be handed to it as an effect (lib/protocol/effects.ts)`
    }
    return to.path.startsWith('lib/protocol/') || STORE_WORDS.test(to.path)
      ? null
      : `lib/protocol imports only lib/protocol and lib/store/{types,tokens,keys}.ts, not ${to.path}`
  }
  if (from.startsWith('lib/store/')) {
    if ('package' in to) {
      return driverOf(from) === null && RUNTIME_PACKAGES.test(to.package)
        ? `${to.package} belongs in a driver; ${from} is shared by all of them`
        : null
    }
    if (!to.path.startsWith('lib/store/')) return `a store driver is a leaf: it must not import ${to.path}`
    const driver = driverOf(to.path)
    return driver === null || driver === driverOf(from)
      ? null
      : `a store driver must not import another: ${to.path}`
  }
  if (from.startsWith('lib/gates/')) {
    if ('package' in to) {
      return RUNTIME_PACKAGES.test(to.package)
        ? `the gates run on every runtime: ${to.package} must be handed to them`
        : null
    }
    const is_shared =
      to.path.startsWith('lib/gates/') ||
      to.path.startsWith('lib/protocol/') ||
      (to.path.startsWith('lib/store/') && driverOf(to.path) === null)
    return is_shared ? null : `the gates get their store and their process handed in, not ${to.path}`
  }
  if (from.startsWith('functions/') && !from.startsWith('functions/entry/')) {
    if ('package' in to) {
      return RUNTIME_PACKAGES.test(to.package)
        ? `${to.package} belongs in functions/entry or a store driver`
        : null
    }
    if (to.path.startsWith('functions/entry/')) return `handlers must not import an entry file: ${to.path}`
    return driverOf(to.path) === null
      ? null
      : `handlers get their store handed in, they must not import ${to.path}`
  }
  return null
}

const importDirection: Rule = {
  create(context) {
    const from = repositoryPath(context.filename)
    function check(node: Node, source: unknown): void {
      const specifier = stringValue(source)
      if (specifier === null) return
      const to = specifier.startsWith('.')
        ? { path: repositoryPath(resolve(dirname(context.filename), specifier)) }
        : { package: specifier }
      const message = importFinding(from, to)
      if (message !== null) context.report({ node, message })
    }
    return {
      ImportDeclaration: (node) => check(node, node.source),
      ExportNamedDeclaration: (node) => check(node, node.source),
      ExportAllDeclaration: (node) => check(node, node.source),
      ImportExpression: (node) => check(node, node.source),
    }
  },
}

/** `Date()` and `new Date()` read the wall clock; `new Date(ms)` is arithmetic and stays allowed. */
const noAmbientDate: Rule = {
  create(context) {
    function check(node: Node, reads_clock: boolean): void {
      if (reads_clock && isNamed(node.callee, 'Date')) {
        context.report({
          node,
          message: 'This reads the clock. Ask for it: `yield* now()` (lib/protocol/effects.ts)',
        })
      }
    }
    return {
      NewExpression: (node) => check(node, Array.isArray(node.arguments) && node.arguments.length === 0),
      CallExpression: (node) => check(node, true),
    }
  },
}

/** `import { z } from 'zod'` carries every locale into a bundle; the namespace is tree-shaken. */
const zodNamespace: Rule = {
  create(context) {
    return {
      ImportDeclaration(node) {
        if (stringValue(node.source) !== 'zod' || !Array.isArray(node.specifiers)) return
        const named = node.specifiers.some((each: Node) => each.type !== 'ImportNamespaceSpecifier')
        if (named)
          context.report({
            node,
            message: "Write `import * as z from 'zod'`: the named z carries every locale",
          })
      },
    }
  },
}

const SECRET = /(^|_|[a-z])(token|secret|password|credential|bearer|api_?key)$/i
const EQUALITY = ['===', '!==', '==', '!=']

/**
 * A secret compared with `===` leaks its prefix by timing (S9), and a version token is compared by its driver's rules
 * (storage.md V-1). Told by name, so it only sees what is called a token or a secret; comparing with a literal,
 * `null` or `undefined` is not a comparison of secrets.
 */
const noSecretCompare: Rule = {
  create(context) {
    return {
      BinaryExpression(node) {
        if (!EQUALITY.includes(String(node.operator)) || isConstant(node.left) || isConstant(node.right))
          return
        const name = [endName(node.left), endName(node.right)].find(
          (each) => each !== null && SECRET.test(each),
        )
        if (name === undefined) return
        context.report({
          node,
          message: `\`${name}\` compared with ${String(node.operator)}: use sameVersion for version tokens, a constant-time compare for secrets`,
        })
      },
    }
  },
}

/**
 * Every export says what it is for, and a file without exports says so at its top. One comment is enough for the
 * signatures of an overloaded function, for a schema and the type of the same name that is inferred from it, and for
 * constants that stand together without a blank line.
 */
const docComment: Rule = {
  create(context) {
    const documented = new Set<unknown>()
    let exports_seen = 0
    let shared_until_line = Number.NaN
    function check(node: Node): void {
      exports_seen += 1
      const declaration = asNode(node.declaration)
      if (declaration === null) return // `export { a } from` and `export { a }`: the comment is where `a` is.
      const name = declaredName(declaration)
      const is_shared =
        declaration.type === 'VariableDeclaration' && node.loc.start.line === shared_until_line + 1
      const has_comment = context.sourceCode.getCommentsBefore(node).at(-1)?.value.startsWith('*') === true
      if (has_comment || is_shared || (name !== undefined && documented.has(name))) {
        documented.add(name)
        shared_until_line = node.loc.end.line
        return
      }
      context.report({ node, message: 'Say in a doc comment what this export is for (style.md, Comments)' })
    }
    return {
      ExportNamedDeclaration: check,
      ExportDefaultDeclaration: check,
      ExportAllDeclaration: () => void (exports_seen += 1),
      'Program:exit'(node) {
        const has_comment = context.sourceCode.getAllComments().some((each) => each.value.startsWith('*'))
        if (exports_seen === 0 && !has_comment) {
          context.report({ node, message: 'Say in a doc comment at the top what this file is for' })
        }
      },
    }
  },
}

/** `f` of `function f`, `T` of `type T`, `a` of `const a = 1`. */
function declaredName(declaration: Node): unknown {
  const declarators = Array.isArray(declaration.declarations) ? declaration.declarations : [declaration]
  return asNode(asNode(declarators[0])?.id)?.name
}

/** Path from the repository's root, with `/` on every system. */
function repositoryPath(path: string): string {
  return relative(ROOT, path).replaceAll('\\', '/')
}

function asNode(value: unknown): Node | null {
  return typeof value === 'object' && value !== null && 'type' in value ? (value as Node) : null
}

function stringValue(value: unknown): string | null {
  const node = asNode(value)
  return typeof node?.value === 'string' ? node.value : null
}

function isNamed(value: unknown, name: string): boolean {
  const node = asNode(value)
  return node?.type === 'Identifier' && node.name === name
}

/** Literals, `undefined` and `typeof x`: nothing that could be guessed by timing. */
function isConstant(value: unknown): boolean {
  const node = asNode(value)
  return node?.type === 'Literal' || node?.type === 'UnaryExpression' || isNamed(value, 'undefined')
}

/** `a.b.token` ends in `token`; other expressions have no name. */
function endName(value: unknown): string | null {
  const node = asNode(value)
  if (node?.type === 'Identifier') return String(node.name)
  if (node?.type === 'MemberExpression' && node.computed !== true) return endName(node.property)
  return node?.type === 'ChainExpression' ? endName(node.expression) : null
}

/** What oxlint loads: the rules by name, used as `house/<name>`. */
export default {
  meta: { name: 'house' },
  rules: {
    'import-direction': importDirection,
    'no-ambient-date': noAmbientDate,
    'zod-namespace': zodNamespace,
    'no-secret-compare': noSecretCompare,
    'doc-comment': docComment,
  },
}
