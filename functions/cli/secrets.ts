import { defineCommand } from 'citty'
import { newToken } from '../../src/auth/tokens.ts'
import { newWrappingKey } from '../node/local.ts'
import { nodeHash } from '../nodejs/cipher.ts'
import { jsonArg } from './local-store.ts'

const create = defineCommand({
  meta: { name: 'new', description: 'Print a new wrapping key, and a new API token with its hash.' },
  args: jsonArg,
  async run({ args }) {
    const today = new Date().toISOString().slice(0, 10)
    const wrappingKey = `${today}:${newWrappingKey()}`
    const token = await newToken(nodeHash)
    const sha256 = await nodeHash.sha256(token)
    const apiTokens = JSON.stringify([{ name: 'admin', sha256, grants: ['admin'] }])
    if (args.json) return console.log(JSON.stringify({ wrapping_key: wrappingKey, api_token: token, sha256 }))
    console.log(`KEYRING_WRAPPING_KEYS=${wrappingKey}`)
    console.log(`KEYRING_API_TOKENS='${apiTokens}'`)
    console.log(`API token (for the caller, shown once): ${token}`)
  },
})

export const secrets = defineCommand({
  meta: { name: 'secrets', description: 'Make secrets for a deployment.' },
  subCommands: { new: create },
})
