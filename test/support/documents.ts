/** Markdown documents as data: their code blocks by language, and what an operator makes of them. */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { REPOSITORY } from '../house/tools.ts'

/** A document of the repository as text. */
export function documentText(path: string): string {
  return readFileSync(join(REPOSITORY, path), 'utf8')
}

/** The code blocks of a document that are marked with this language, in order. */
export function codeBlocks(path: string, language: string): readonly string[] {
  const fence = new RegExp(`^\`\`\`${language}\\n([\\s\\S]*?)^\`\`\`$`, 'gm')
  return Array.from(documentText(path).matchAll(fence), ([, code = '']) => code)
}

/** `NAME=value` lines, `NAME: value` lines, or `NAME = "value"` lines, as variables. */
export function variablesIn(text: string): Record<string, string> {
  const line = /^([A-Z][A-Z0-9_]*)(?: = |: |=)(["']?)(.*)\2$/gm
  return Object.fromEntries(Array.from(text.matchAll(line), ([, name, , value]) => [name, value]))
}
