/** The built server and command line, where nothing else lies: what is loaded later is there, and does as the sources do. */
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, it, onTestFinished } from 'vitest'
import { built } from '../support/built.ts'
import { local } from '../support/local.ts'
import { secretsManagerDouble } from '../support/secrets-manager.ts'

it('starts with a dev Vault, a cron expression, a file of decK and a setting in Secrets Manager, and ends with a signal', async () => {
  const aws = await secretsManagerDouble()
  onTestFinished(() => aws.close())
  aws.put('ring', { keys: `w1:${Buffer.alloc(32, 1).toString('base64')}` })
  const on = await local(undefined, await built())
  onTestFinished(() => on.remove())
  const deck = join(on.folder, 'kong.yaml')
  writeFileSync(deck, "_format_version: '3.0'\nvaults:\n- name: env\n  prefix: mine\n  config: {prefix: app_}\n")
  const settings = {
    KEYRING_ROTATION: '0 3 1 * *',
    KEYRING_WRAPPING_KEYS: '{vault://aws/ring/keys}',
    AWS_ENDPOINT_URL_SECRETS_MANAGER: aws.url,
    AWS_REGION: 'us-east-1',
    AWS_ACCESS_KEY_ID: 'AKIATESTTESTTESTTEST',
    AWS_SECRET_ACCESS_KEY: 'any',
    APP_WORD: 'a value',
  }
  const { stop, output } = await on.start(settings, '--deck', deck)
  expect(output()).toContain('secret/keyring: 1 key, 2 requests to Vault')
  expect(aws.asked()).toContain('ring AWSCURRENT us-east-1')

  const { stdout: ciphertext } = await on.cli('encrypt', 'hello', '--context', 'orders/17')
  expect(ciphertext).toMatch(/^ek1\./)
  const opened = { code: 0, stdout: 'hello' }
  expect(await on.cli('decrypt', ciphertext.trim(), '--context', 'orders/17')).toMatchObject(opened)
  expect(await on.cli('vault', 'get', '{vault://mine/word}')).toMatchObject({ code: 0, stdout: 'a value' })
  expect(await on.cli('rotate')).toMatchObject({ code: 0 })
  expect((await on.cli('doctor')).stdout).toContain('✔')
  const again = { code: 1, stderr: expect.stringMatching(/^ERR_ALREADY_RUNNING: /) }
  expect(await on.cli('start')).toMatchObject(again)
  await stop()
  expect(await on.cli('keys')).toMatchObject({ code: 2 })
})
