/** Prints the closing line of CI, from the report that vitest wrote: `node tools/count-tests.mjs <report> <exit status of the tests> <other failures>`. */
import { existsSync, readFileSync } from 'node:fs'
import { relative } from 'node:path'

/** A suite of which fewer tests than this passed did not run. The numbers are about nine tenths of what a run has, and are raised as suites grow. */
const MINIMUM = {
  unit: 2_340,
  architecture: 44,
  contract: 62,
  node: 430,
  interop: 20,
  conformance: 450,
  workerd: 105,
  lambda: 180,
  vault: 630,
  explore: 60,
  faults: 65,
}

const [path = '', testStatus = '1', otherFailures = '0'] = process.argv.slice(2)
const report = existsSync(path) ? JSON.parse(readFileSync(path, 'utf8')) : { success: false, testResults: [] }
const tally = { passed: 0, failed: 0, skipped: 0 }
const passedIn = {}
for (const file of report.testResults) {
  const suite = /^test\/([^/]+)\//.exec(relative('.', file.name))?.[1] ?? 'other'
  if (file.assertionResults.length === 0) tally.failed += 1
  for (const { status } of file.assertionResults) {
    if (status === 'passed') passedIn[suite] = (passedIn[suite] ?? 0) + 1
    tally[status === 'passed' || status === 'failed' ? status : 'skipped'] += 1
  }
}
if (tally.failed === 0 && (testStatus !== '0' || !report.success)) tally.failed = 1
tally.failed += Number(otherFailures)
for (const [suite, minimum] of Object.entries(MINIMUM)) {
  if ((passedIn[suite] ?? 0) >= minimum) continue
  console.error(`${suite}: ${passedIn[suite] ?? 0} passed, at least ${minimum} are expected`)
  tally.failed += 1
}
if (process.env.CI === 'true' && tally.skipped > 0) {
  console.error(`${tally.skipped} skipped: in CI nothing may be`)
  tally.failed += 1
}
console.log(`${tally.passed} passed, ${tally.failed} failed${tally.skipped > 0 ? `, ${tally.skipped} skipped` : ''}`)
process.exitCode = tally.failed === 0 ? 0 : 1
