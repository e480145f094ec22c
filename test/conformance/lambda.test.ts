import { startLambda } from './lambda-driver.ts'
import { conformance } from './suite.ts'

conformance('Lambda', startLambda)
