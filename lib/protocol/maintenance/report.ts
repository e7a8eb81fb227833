/** Findings as text for people: the most severe first, each with what it means and what to do. */
import { bySeverity, type Finding } from './finding.ts'

/** The text of a report; ends with a newline. `clean` is said when there is nothing at all. */
export function reportText(findings: readonly Finding[], clean: string): string {
  if (findings.length === 0) return `${clean}\n`
  const sorted = findings.toSorted(bySeverity)
  return `${sorted.map(findingText).join('\n')}\n${countText(sorted)}\n`
}

function findingText({ rule, severity, path, version, detail, means, next }: Finding): string {
  const place = [
    ...(version === undefined ? [] : [`version ${version}`]),
    ...(path === undefined ? [] : [path]),
  ]
  const where = place.length === 0 ? '' : `${place.join(', ')}: `
  return `${severity.padEnd(5)} ${rule}  ${where}${detail}\n      means ${means}\n      next  ${next}`
}

function countText(findings: readonly Finding[]): string {
  const count = (severity: Finding['severity']): number =>
    findings.filter((finding) => finding.severity === severity).length
  return `\nerrors: ${count('error')}, warnings: ${count('warn')}, facts: ${count('info')}`
}
