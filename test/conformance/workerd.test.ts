import { startWorker } from './driver.ts'
import { conformance } from './suite.ts'

conformance('workerd', startWorker)
