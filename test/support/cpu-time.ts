/** Time that does not depend on who else uses the machine. */

/**
 * Processor time of this process in ms while `work` runs, for bounds that only have to tell linear from worse. The clock on
 * the wall would count the other tests as well.
 */
export function cpuTime_ms(work: () => void): number {
  const before = process.cpuUsage()
  work()
  const { user, system } = process.cpuUsage(before)
  return (user + system) / 1000
}
