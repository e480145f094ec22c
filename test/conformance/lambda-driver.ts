import { deployLambda } from '../support/lambda/deployment.ts'
import type { Start } from './driver.ts'

/** The built bundles, one process for each function, behind a function URL. */
export const startLambda: Start = async (settings) => {
  const deployment = await deployLambda(settings)
  const { url } = await deployment.startHttp()
  return { url, output: () => deployment.output(), stop: () => deployment.stop() }
}
