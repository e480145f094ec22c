import { built } from '../support/built.ts'
import { startServer } from './driver.ts'
import { conformance } from './suite.ts'

conformance('Node, built', async (settings) => startServer((await built()).server, settings))
