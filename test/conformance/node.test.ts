import { startNode } from './driver.ts'
import { conformance } from './suite.ts'

conformance('Node', startNode)
