/** What comes from others: few packages, each pinned and checked, none that runs code when it is installed. */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { REPOSITORY } from './tools.ts'

interface Package {
  readonly dependencies: Readonly<Record<string, string>>
  readonly devDependencies: Readonly<Record<string, string>>
  readonly allowScripts: Readonly<Record<string, boolean>>
}

interface Locked {
  readonly version?: string
  readonly resolved?: string
  readonly integrity?: string
  readonly dev?: boolean
  readonly hasInstallScript?: boolean
}

const read = (name: string): unknown => JSON.parse(readFileSync(join(REPOSITORY, name), 'utf8'))
const { dependencies, devDependencies, allowScripts } = read('package.json') as Package
const { packages } = read('package-lock.json') as { readonly packages: Readonly<Record<string, Locked>> }
const installed = Object.entries(packages).filter(([path]) => path !== '')

describe('dependencies, S33', () => {
  test('every version is exact, and the lockfile has that one', () => {
    const named = Object.entries({ ...dependencies, ...devDependencies })
    expect(named.filter(([, version]) => !/^\d+\.\d+\.\d+[-.\w]*$/.test(version))).toEqual([])
    expect(named.filter(([name, version]) => packages[`node_modules/${name}`]?.version !== version)).toEqual(
      [],
    )
  })

  test('every package is checked against its hash, and comes over https', () => {
    expect(installed.length).toBeGreaterThan(Object.keys(dependencies).length)
    const unchecked = installed.filter(
      ([, { integrity = '', resolved = 'https://' }]) =>
        !integrity.startsWith('sha512-') || !resolved.startsWith('https://'),
    )
    expect(unchecked).toEqual([])
  })

  test('nothing that runs in production runs a script when it is installed; of the tools only Node may', () => {
    const scripts = installed.filter(([, { hasInstallScript }]) => hasInstallScript === true)
    expect(scripts.filter(([, { dev }]) => dev !== true)).toEqual([])
    expect(allowScripts).toEqual({ node: true })
  })

  test('a handful is needed at run time', () => {
    expect(Object.keys(dependencies).length).toBeLessThanOrEqual(20)
  })
})
