/** Functions of a user's own repository, with the built entries of the package as their only code. */
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, it, onTestFinished } from 'vitest'
import { deployLambda } from '../support/lambda/deployment.ts'
import { ownRepository } from '../support/own-repository.ts'

it('are those that this repository deploys, by a line each that exports the handler again', async () => {
  const { folder, settings, token, remove } = await ownRepository()
  onTestFinished(remove)
  const handlers = Object.fromEntries(
    ['http', 'sync', 'rotate'].map((name) => {
      const file = join(folder, `${name}.mjs`)
      writeFileSync(file, `export { handler } from 'edge-keyring/handlers/${name}'\n`)
      return [name, file]
    }),
  )
  const deployment = await deployLambda(settings, handlers)
  onTestFinished(() => deployment.stop())
  const { url } = await deployment.startHttp()
  const call = (path: string, method = 'GET') =>
    fetch(new URL(path, url), { method, headers: { authorization: `Bearer ${token}` } })
  expect((await call('/keyring/vault/sync', 'POST')).status).toBe(204)
  expect(await (await call('/keyring')).json()).toEqual({ ids: ['first001'], active: 'first001' })
  await expect(deployment.startRotate({ KEYRING_ROTATION: '1d' })).resolves.toBeDefined()
})
