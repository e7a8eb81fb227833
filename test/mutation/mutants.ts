/**
 * Mutants of a source file: one small change each, of the kinds that every tool for this makes (operators, conditions,
 * literals, statements and members that are left out). All of them are written into one text, each behind the question
 * whether it is the one that is on, so that a program is loaded once and not once a mutant.
 */
import { parseAst } from 'vitest/node'

/** One change. */
export interface Mutant {
  readonly id: number
  /** Relative to the repository. */
  readonly file: string
  readonly kind: MutantKind
  /** Name of the function that it is in; empty at the top of a module, where it takes effect at load. */
  readonly within: string
  readonly line: number
  readonly original: string
  readonly replacement: string
}

/** What was changed. */
export type MutantKind =
  | 'operator'
  | 'condition'
  | 'negation'
  | 'literal'
  | 'collection'
  | 'function'
  | 'statement'
  | 'member'
  | 'chain'

/** A file with all its mutants in it. */
export interface Mutated {
  readonly mutants: readonly Mutant[]
  /** TypeScript; looks at `globalThis.mutation`. */
  readonly text: string
}

/** What the mutated text looks at: which mutant is on, and how often loops have gone round. */
export interface Mutation {
  /** -1 for none. */
  on: number
  rounds: number
  /** Called once a round of any loop; throws where a mutant goes round forever. */
  round(): void
}

interface Node {
  readonly type: string
  readonly start: number
  readonly end: number
  readonly [member: string]: unknown
}

interface Change {
  readonly kind: MutantKind
  readonly at: Node
  readonly replacement: string
  /** Statements are left out, expressions replaced. */
  readonly is_statement: boolean
  readonly within: string
  /** Of an object, the member that the replacement lacks. */
  readonly left_out?: Node
}

const OPERATORS: Readonly<Record<string, readonly string[]>> = {
  '<': ['<=', '>='],
  '<=': ['<', '>'],
  '>': ['>=', '<='],
  '>=': ['>', '<'],
  '===': ['!=='],
  '!==': ['==='],
  '+': ['-'],
  '-': ['+'],
  '*': ['/'],
  '**': ['*'],
  '>>>': ['<<'],
  '&&': ['||'],
  '||': ['&&'],
  '??': ['&&'],
  '+=': ['-='],
  '-=': ['+='],
}

const METHODS: Readonly<Record<string, string>> = { min: 'max', max: 'min', some: 'every', every: 'some' }

/** Members of a node that hold types, which are gone when the program runs. */
const TYPES = new Set([
  'typeAnnotation',
  'returnType',
  'typeParameters',
  'typeArguments',
  'superTypeArguments',
])

/**
 * All mutants of a file, numbered from `first`. `only` restricts them to functions, by name. Loops count their rounds,
 * and exported functions whose names match `entries` begin to count anew.
 */
export function mutate(
  file: string,
  text: string,
  options: { readonly first: number; readonly only?: RegExp; readonly entries?: RegExp },
): Mutated {
  const program = parseAst(text, { lang: 'ts' }) as unknown as Node
  const walk = new Walk(text, options.only)
  walk.visit(program, '')
  const mutants = walk.changes.map(({ kind, at, replacement, within, left_out = at }, index) => ({
    id: options.first + index,
    file,
    kind,
    within,
    line: text.slice(0, left_out.start).split('\n').length,
    original: text.slice(left_out.start, left_out.end),
    replacement: left_out === at ? replacement : '',
  }))
  const edits = [...roundsOf(walk, options.entries), ...editsOf(walk.changes, options.first)]
  return { mutants, text: applied(text, edits) }
}

/** Collects changes, and the loops and functions in which rounds are counted. */
class Walk {
  readonly changes: Change[] = []
  readonly loops: Node[] = []
  readonly functions: { readonly name: string; readonly body: Node }[] = []
  private readonly text: string
  private readonly only: RegExp | undefined

  constructor(text: string, only: RegExp | undefined) {
    this.text = text
    this.only = only
  }

  visit(node: Node, within: string): void {
    if (node.type === 'ImportDeclaration' || (node.type.startsWith('TS') && !isExpressionOfType(node))) return
    const name = functionName(node) ?? within
    if (/^(For|While|DoWhile)/.test(node.type)) this.loops.push(node)
    if (node.type === 'FunctionDeclaration') this.functions.push({ name, body: node['body'] as Node })
    if (this.only === undefined || this.only.test(name)) this.change(node, name)
    for (const child of childrenOf(node)) this.visit(child, name)
  }

  private source(node: Node): string {
    return this.text.slice(node.start, node.end)
  }

  private add(kind: MutantKind, at: Node, within: string, replacement: string, is_statement = false): void {
    if (replacement !== this.source(at)) this.changes.push({ kind, at, within, replacement, is_statement })
  }

  private change(node: Node, within: string): void {
    switch (node.type) {
      case 'BinaryExpression':
      case 'LogicalExpression':
      case 'AssignmentExpression':
        this.changeOperator(node, within)
        return
      case 'IfStatement':
      case 'ConditionalExpression':
      case 'WhileStatement':
      case 'ForStatement':
        this.changeCondition(node, within)
        return
      case 'UnaryExpression':
        if (node['operator'] === '!')
          this.add('negation', node, within, this.source(node['argument'] as Node))
        return
      case 'Literal':
        this.changeLiteral(node, within)
        return
      case 'TemplateLiteral':
        this.add('literal', node, within, `''`)
        return
      case 'ArrayExpression':
        if ((node['elements'] as Node[]).length > 0) this.add('collection', node, within, '[]')
        return
      case 'ObjectExpression':
        this.changeObject(node, within)
        return
      case 'ArrowFunctionExpression':
        if (node['expression'] === true) this.add('function', node, within, '(() => undefined)')
        return
      case 'FunctionDeclaration':
        this.add('function', node['body'] as Node, within, '{}', true)
        return
      case 'ExpressionStatement':
        this.add('statement', node, within, '', true)
        return
      case 'ChainExpression':
        this.add('chain', node, within, this.source(node).replace('?.', '.'))
        return
      case 'CallExpression':
        this.changeMethod(node, within)
        return
    }
  }

  private changeOperator(node: Node, within: string): void {
    const left = node['left'] as Node
    const operator = String(node['operator'])
    const at = this.text.indexOf(operator, left.end)
    // What stands around the operands, parentheses for example, stays with them.
    const [before, after] = [this.text.slice(node.start, at), this.text.slice(at + operator.length, node.end)]
    for (const other of OPERATORS[operator] ?? []) {
      // `??` may not stand beside other logical operators without parentheses.
      const is_logical = node.type === 'LogicalExpression'
      this.add(
        'operator',
        node,
        within,
        is_logical ? `(${before}) ${other} (${after})` : `${before}${other}${after}`,
      )
    }
  }

  private changeCondition(node: Node, within: string): void {
    const test = node['test'] as Node | null
    if (test === null) return
    for (const value of ['true', 'false']) this.add('condition', test, within, value)
  }

  private changeLiteral(node: Node, within: string): void {
    const value = node['value']
    if (typeof value === 'boolean') this.add('literal', node, within, String(!value))
    if (typeof value === 'number') this.add('literal', node, within, String(value + 1))
    if (typeof value === 'string') this.add('literal', node, within, value === '' ? `'mutant'` : `''`)
  }

  private changeObject(node: Node, within: string): void {
    const properties = node['properties'] as Node[]
    if (properties.length > 0) this.add('collection', node, within, '{}')
    // Where members are laid over others, leaving one out keeps what was there.
    if (!properties.some((property) => property.type === 'SpreadElement')) return
    for (const [index, property] of properties.entries()) {
      const rest = properties.filter((_, other) => other !== index).map((each) => this.source(each))
      if (property.type === 'Property')
        this.changes.push({
          kind: 'member',
          at: node,
          within,
          replacement: `{ ${rest.join(', ')} }`,
          is_statement: false,
          left_out: property,
        })
    }
  }

  private changeMethod(node: Node, within: string): void {
    const callee = node['callee'] as Node
    if (callee.type !== 'MemberExpression') return
    const method = callee['property'] as Node
    const other = METHODS[this.source(method)]
    const rest = this.text.slice(method.end, node.end)
    if (other !== undefined)
      this.add('function', node, within, `${this.text.slice(node.start, method.start)}${other}${rest}`)
    if (this.source(method) === 'filter')
      this.add('function', node, within, this.source(callee['object'] as Node))
  }
}

function isExpressionOfType({ type }: Node): boolean {
  return type === 'TSAsExpression' || type === 'TSNonNullExpression' || type === 'TSSatisfiesExpression'
}

/** Functions by their name, methods and members that hold a function by that of the member. */
function functionName(node: Node): string | null {
  if (node.type === 'FunctionDeclaration') return String((node['id'] as Node)['name'])
  const holds = node.type === 'Property' || node.type === 'VariableDeclarator'
  const value = (node['value'] ?? node['init']) as Node | null | undefined
  if (!holds || (value?.type !== 'ArrowFunctionExpression' && value?.type !== 'FunctionExpression'))
    return null
  return String(((node['key'] ?? node['id']) as Node)['name'])
}

/** Nodes inside a node that are there when the program runs, and may be replaced. */
function childrenOf(node: Node): Node[] {
  const skipped = new Set<unknown>(TYPES)
  if (node.type === 'Property' || node.type === 'MemberExpression')
    skipped.add(node['computed'] === true ? '' : keyOf(node))
  if (node.type === 'SwitchCase') skipped.add('test')
  return Object.entries(node)
    .filter(([name]) => !skipped.has(name))
    .flatMap(([, value]) => (Array.isArray(value) ? (value as unknown[]) : [value]))
    .filter(isNode)
}

function keyOf(node: Node): string {
  return node.type === 'Property' ? 'key' : 'property'
}

function isNode(value: unknown): value is Node {
  return typeof value === 'object' && value !== null && 'type' in value && 'start' in value
}

/** A text put in before and one after a range. */
interface Edit {
  readonly start: number
  readonly end: number
  readonly before: string
  readonly after: string
}

function editsOf(changes: readonly Change[], first: number): Edit[] {
  return changes.map(({ at, replacement, is_statement }, index) => {
    const { start, end } = at
    const on = `globalThis.mutation.on === ${first + index}`
    if (!is_statement) return { start, end, before: `(${on} ? (${replacement}) : (`, after: '))' }
    // In braces, so that an `else` that follows keeps its `if`.
    return { start, end, before: `{ if (!(${on})) { `, after: ' } }' }
  })
}

function roundsOf({ loops, functions }: Walk, entries: RegExp | undefined): Edit[] {
  const counted = loops.map((loop) => {
    const { start, end } = loop['body'] as Node
    return { start, end, before: '{ globalThis.mutation.round(); ', after: ' }' }
  })
  const begun = functions.filter(({ name }) => entries?.test(name) === true)
  return [
    ...counted,
    ...begun.map(({ body: { start, end } }) => ({
      start,
      end,
      before: '{ globalThis.mutation.rounds = 0; ',
      after: ' }',
    })),
  ]
}

/** Ranges lie inside one another or apart; of equal ones the first is the outermost. */
function applied(text: string, edits: readonly Edit[]): string {
  const opening = edits.toSorted((a, b) => a.start - b.start || b.end - a.end)
  const closing = edits.toReversed().sort((a, b) => a.end - b.end || b.start - a.start)
  let result = ''
  let at = 0
  const points = [...new Set(edits.flatMap(({ start, end }) => [start, end]))].sort((a, b) => a - b)
  for (const point of points) {
    result += text.slice(at, point)
    at = point
    // Ranges are never empty, so what ends here ends before something begins.
    for (const edit of closing) if (edit.end === point) result += edit.after
    for (const edit of opening) if (edit.start === point) result += edit.before
  }
  return result + text.slice(at)
}
