/** docs/from-kong.md, from top to bottom: its own files and commands, at a real OpenBao. */
import { execFile } from 'node:child_process'
import { chmodSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest'
import type { Local } from '../support/local.ts'
import { CLI, local } from '../support/local.ts'
import { keyString } from '../support/syncing.ts'
import { vaultClient } from '../support/vault.ts'

const vault = inject('openbao')
const { address, token: root } = vault ?? { address: '', token: '' }
const PAGE = readFileSync('docs/from-kong.md', 'utf8')
const MOUNT = 'from-kong'

/** What stands in the page for this machine's Vault. */
const here = (text: string) =>
  text
    .replaceAll('8200', new URL(address).port)
    .replaceAll('mount = secret', `mount = ${MOUNT}`)
    .replaceAll('vault_hcv_kv', `vault_hcv_mount = ${MOUNT}\nvault_hcv_kv`)
    .replaceAll('{ port:', `{ mount: ${MOUNT}, port:`)
    .replaceAll('token = root', `token = ${root}`)
    .replaceAll('TOKEN=root', `TOKEN=${root}`)
/** By what stands behind the opening of the fence. */
const ALL = Array.from(PAGE.matchAll(/^```(\w*)\n([^]*?)^```$/gm), ([, kind = '', text = '']) => ({ kind, text }))
const blocks = (kind: string) => ALL.filter((each) => each.kind === kind).map(({ text }) => text)

const PROGRAMS = `set -eo pipefail
npx() { [ "$1" = edge-keyring ]; shift; "$NODE" "$CLI" "$@"; }
`

describe.skipIf(vault === null)('the way from Kong', { timeout: 120_000 }, () => {
  let place: Local
  /** What has not been run yet. */
  const left = blocks('')
  const next = () => here(left.shift() ?? expect.unreachable('The page has no other commands.'))
  let exported = ''

  const bash = (script: string, more: Readonly<Record<string, string>> = {}) =>
    new Promise<{ code: number; stdout: string; stderr: string }>((resolve) => {
      const path = `${join(place.folder, 'bin')}:${process.env['PATH'] ?? ''}`
      const env = { PATH: path, HOME: place.folder, NODE: process.execPath, CLI, ...more }
      execFile('bash', ['-c', PROGRAMS + exported + script], { cwd: place.folder, env }, (error, stdout, stderr) =>
        resolve({ code: error === null ? 0 : Number(error.code ?? 1), stdout, stderr }),
      )
    })

  beforeAll(async () => {
    place = await local()
    const secrets = await vaultClient(address, root).mount(MOUNT)
    await secrets.write('keyring', { id: '8zgITLQh', key: keyString('from Kong') })
    await secrets.write('password', { pass1: 'the first' })
    await secrets.write('pg', { pass: 'of postgres' })
    const [conf = '', deck = ''] = [...blocks('ini'), ...blocks('yaml')]
    writeFileSync(join(place.folder, 'kong.conf'), here(conf))
    writeFileSync(join(place.folder, 'kong.yaml'), here(deck))
    mkdirSync(join(place.folder, 'bin'))
    const kong = join(place.folder, 'bin/kong')
    writeFileSync(kong, '#!/bin/sh\necho "$1 $KONG_PG_PASSWORD"\n')
    chmodSync(kong, 0o755)
  })
  afterAll(() => {
    place.remove()
    if (left.length > 0) throw new Error(`The page has commands that were not run: ${left.join('')}`)
  })

  it('says what of the files is used', async () => {
    const lines = next()
    exported = lines.replace(/\n[^]*/, '\n')
    const shown = expect.stringMatching(/^API token, shown this once: ek_\S+\n$/)
    expect(await bash(lines)).toEqual({ code: 0, stdout: blocks('text')[0], stderr: shown })
  })

  it('serves what they say, in the words of Kong', async () => {
    const [, flags = ''] = /^npm start -- (.*)\n$/.exec(next()) ?? []
    const server = await place.start({ DECK_VAULT_TOKEN: root }, ...flags.split(' '))
    try {
      const lines = next().replaceAll('localhost:8001', `localhost:${place.port}`)
      const ran = await bash(lines.replaceAll('curl ', 'curl -sS '))
      expect(ran.code).toBe(0)
      const [status, , rest = ''] = /^(HTTP\/1\.1 204) ([^]*?)\r\n\r\n([^]*)$/.exec(ran.stdout)?.slice(1) ?? []
      const answers = rest
        .replaceAll('}{', '}\n{')
        .split('\n')
        .map((each) => JSON.parse(each) as object)
      expect([status, ...answers]).toMatchObject([
        'HTTP/1.1 204',
        { ids: ['8zgITLQh'], active: '8zgITLQh' },
        { id: '8zgITLQh' },
        {
          data: [
            { name: 'hcv', prefix: 'hcv' },
            { name: 'hcv', prefix: 'hashicorp-vault' },
          ],
        },
        { name: 'hcv', prefix: 'hashicorp-vault', config: { kv: 'v2', ttl: 60 } },
      ])
      expect(ran.stdout).not.toContain(root)
    } finally {
      await server.stop()
    }
  })

  it('gives values without a server, and to Kong itself', async () => {
    const ran = await bash(next())
    expect([ran.code, ran.stdout]).toEqual([0, 'the firststart of postgres\n'])
  })
})
