/**
 * The part of Vault's HTTP API that the project relies on, as black box. The dev Vault and a real OpenBao pass it: that is what keeps
 * the stand-in honest. Request ids and fields that only one of them has are not compared.
 */
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { VaultClient, VaultServer } from '../support/vault.ts'
import { vaultClient } from '../support/vault.ts'

const TIME = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,9})?Z$/
const NOTHING = { status: 404, body: { errors: [] } }
const KEY = { id: 'k1', key: 'c29tZSBrZXk=' }

export function vaultServerContract(name: string, open: () => Promise<VaultServer>): void {
  describe(`the Vault API of ${name}`, () => {
    let server: VaultServer
    let root: VaultClient
    let kv: VaultClient

    beforeAll(async () => {
      server = await open()
      root = vaultClient(server.address, server.token)
      kv = await root.mount('contract')
    })
    afterAll(() => server.close())

    const read = (path: string, version?: number) =>
      kv.request('GET', `contract/data/${path}${version === undefined ? '' : `?version=${version}`}`)
    const readMetadata = (path: string) => kv.request('GET', `contract/metadata/${path}`)

    describe('versions', () => {
      it('answers a write with the metadata of the new version', async () => {
        const answer = await kv.request('POST', 'contract/data/write', { body: { data: KEY } })
        expect(answer.status).toBe(200)
        expect(answer.body).toMatchObject({
          data: { version: 1, created_time: expect.stringMatching(TIME), deletion_time: '', destroyed: false },
        })
      })

      it('reads data and metadata in the envelope of every answer', async () => {
        await kv.write('envelope', KEY)
        const answer = await read('envelope')
        expect(answer.status).toBe(200)
        expect(answer.headers.get('content-type')).toMatch(/^application\/json/)
        expect(answer.headers.get('cache-control')).toBe('no-store')
        const frame = { lease_id: '', renewable: false, lease_duration: 0, wrap_info: null, warnings: null, auth: null }
        expect(answer.body).toMatchObject({
          ...frame,
          request_id: expect.stringMatching(/^[0-9a-f-]{36}$/),
          data: { data: KEY, metadata: { version: 1, custom_metadata: null, deletion_time: '', destroyed: false } },
        })
      })

      it('reads the current version, and earlier ones by number; 0 is the current one', async () => {
        for (const id of ['a', 'b', 'c']) await kv.write('by-number', { id })
        const ids = await Promise.all([read('by-number'), read('by-number', 0), read('by-number', 2)])
        expect(ids.map(({ body }) => body)).toMatchObject(['c', 'c', 'b'].map((id) => ({ data: { data: { id } } })))
      })

      it('keeps any JSON as it was written', async () => {
        const data = { text: 'ä\u0000\u2028"\\', list: [1, null, { deep: true }], number: 1.5, no: null }
        await kv.write('json', data)
        expect((await read('json')).body).toMatchObject({ data: { data } })
      })

      it('lists them in the metadata', async () => {
        await kv.write('listed', KEY)
        await kv.write('listed', KEY)
        const answer = await readMetadata('listed')
        const version = { created_time: expect.stringMatching(TIME), deletion_time: '', destroyed: false }
        expect(answer.status).toBe(200)
        expect(answer.body).toMatchObject({
          data: {
            created_time: expect.stringMatching(TIME),
            updated_time: expect.stringMatching(TIME),
            current_version: 2,
            oldest_version: 0,
            max_versions: 0,
            cas_required: false,
            delete_version_after: '0s',
            custom_metadata: null,
            versions: { 1: version, 2: version },
          },
        })
        expect(Object.keys((await kv.metadata('listed')).versions)).toEqual(['1', '2'])
      })

      it('gives a version the same times in data and metadata', async () => {
        await kv.write('times', KEY)
        await kv.write('times', KEY)
        const { created_time: created, versions } = await kv.metadata('times')
        expect(versions[1]?.created_time).toBe(created)
        expect((await read('times', 2)).body).toMatchObject({
          data: { metadata: { created_time: versions[2]?.created_time } },
        })
      })

      it('answers what is not there with a bare 404', async () => {
        await kv.write('there', KEY)
        for (const answer of [await read('none'), await readMetadata('none'), await read('there', 99)])
          expect(answer).toMatchObject(NOTHING)
      })

      it('takes a path of several segments, and escapes in it', async () => {
        await kv.write('a/b/c d', KEY)
        expect((await read('a/b/%63%20d')).status).toBe(200)
        expect(await read('a/b')).toMatchObject(NOTHING)
      })

      it('takes a body whatever its media type, with POST and PUT', async () => {
        for (const method of ['POST', 'PUT']) {
          const headers = { 'content-type': 'application/x-www-form-urlencoded' }
          const answer = await kv.request(method, 'contract/data/form', { headers, body: { data: KEY } })
          expect(answer.status).toBe(200)
        }
        expect((await kv.metadata('form')).current_version).toBe(2)
      })

      it('refuses a body that is not JSON, no object or without data', async () => {
        for (const body of ['{"data":', 'data', '[]', '{}', '', '{"data":"text"}']) {
          const answer = await kv.request('POST', 'contract/data/refused', { body })
          expect(answer).toMatchObject({ status: 400, body: { errors: [expect.any(String)] } })
        }
        expect(await readMetadata('refused')).toMatchObject(NOTHING)
      })
    })

    describe('versions that went', () => {
      const gone = (version: number, how: object) => ({
        status: 404,
        body: { data: { data: null, metadata: { version, ...how } } },
      })
      const deleted = { deletion_time: expect.stringMatching(TIME), destroyed: false }

      it('answers a deleted current version with 404 and its metadata; earlier ones stay readable', async () => {
        await kv.write('deleted', KEY)
        await kv.write('deleted', KEY)
        await kv.remove('deleted')
        expect(await read('deleted')).toMatchObject(gone(2, deleted))
        expect((await read('deleted', 1)).status).toBe(200)
        expect(await kv.metadata('deleted')).toMatchObject({
          current_version: 2,
          versions: { 1: { deletion_time: '' }, 2: deleted },
        })
      })

      it('deletes and undeletes versions by number', async () => {
        for (let version = 1; version <= 3; version += 1) await kv.write('undeleted', { version })
        await kv.remove('undeleted', 1, 3)
        expect(await read('undeleted', 1)).toMatchObject(gone(1, deleted))
        await kv.undelete('undeleted', 1)
        expect((await read('undeleted', 1)).body).toMatchObject({ data: { data: { version: 1 } } })
        expect(await read('undeleted')).toMatchObject(gone(3, deleted))
      })

      it('destroys for good', async () => {
        await kv.write('destroyed', KEY)
        await kv.destroy('destroyed', 1)
        await kv.undelete('destroyed', 1)
        expect(await read('destroyed')).toMatchObject(gone(1, { destroyed: true }))
        expect((await kv.metadata('destroyed')).versions[1]).toMatchObject({ destroyed: true, deletion_time: '' })
      })

      it('does nothing, and says so with 204, to what is not there', async () => {
        for (const how of ['delete', 'undelete', 'destroy'])
          expect((await kv.request('POST', `contract/${how}/none`, { body: { versions: [1] } })).status).toBe(204)
        expect((await kv.request('DELETE', 'contract/metadata/none')).status).toBe(204)
      })

      it('prunes all but ten versions', async () => {
        for (let version = 1; version <= 12; version += 1) await kv.write('pruned', { version })
        const { current_version: current, oldest_version: oldest, versions } = await kv.metadata('pruned')
        expect([current, oldest, Object.keys(versions).length]).toEqual([12, 3, 10])
        expect(await read('pruned', 2)).toMatchObject(NOTHING)
        expect((await read('pruned', 3)).status).toBe(200)
      })

      it('prunes by the larger of the limits of secret and mount', async () => {
        const own = await root.mount('contract-limits')
        await own.request('POST', 'contract-limits/config', { body: { max_versions: 3 } })
        await own.configure('below', { max_versions: 2 })
        await own.configure('above', { max_versions: 4 })
        for (let version = 1; version <= 6; version += 1)
          for (const path of ['below', 'above']) await own.write(path, { version })
        expect(Object.keys((await own.metadata('below')).versions)).toEqual(['4', '5', '6'])
        expect(Object.keys((await own.metadata('above')).versions)).toEqual(['3', '4', '5', '6'])
      })

      it('keeps a version until a time of deletion that lies ahead', async () => {
        await kv.configure('ahead', { delete_version_after: '90m' })
        await kv.write('ahead', KEY)
        expect((await read('ahead')).status).toBe(200)
        const answer = await readMetadata('ahead')
        expect(answer.body).toMatchObject({ data: { delete_version_after: '1h30m0s', versions: { 1: deleted } } })
        const { created_time: created, deletion_time: deletion } = (await kv.metadata('ahead')).versions[1] ?? {}
        expect(Math.round((Date.parse(deletion ?? '') - Date.parse(created ?? '')) / 1000)).toBe(5400)
      })

      it('knows a secret with settings and no version', async () => {
        await kv.configure('empty', { max_versions: 5 })
        expect(await kv.metadata('empty')).toMatchObject({ current_version: 0, oldest_version: 0, versions: {} })
        expect(await read('empty')).toMatchObject(NOTHING)
      })

      it('begins again at version 1, with another time of creation, after the metadata was deleted', async () => {
        await kv.write('again', { id: 'first' })
        await kv.write('again', { id: 'second' })
        const { created_time: before } = await kv.metadata('again')
        await kv.deleteMetadata('again')
        expect(await readMetadata('again')).toMatchObject(NOTHING)
        expect(await read('again')).toMatchObject(NOTHING)
        await kv.write('again', { id: 'third' })
        const after = await kv.metadata('again')
        expect(Object.keys(after.versions)).toEqual(['1'])
        expect(after.created_time).not.toBe(before)
      })
    })

    describe('check-and-set', () => {
      const mismatch = {
        status: 400,
        body: { errors: ['check-and-set parameter did not match the current version'] },
      }
      const write = (path: string, options?: { cas: number }) =>
        kv.request('POST', `contract/data/${path}`, { body: { data: KEY, ...(options && { options }) } })

      it('writes when the current version is the expected one; 0 = there is none', async () => {
        expect(await kv.write('cas', KEY, 0)).toBe(1)
        expect(await kv.write('cas', KEY, 1)).toBe(2)
        for (const cas of [0, 1, 3]) expect(await write('cas', { cas })).toMatchObject(mismatch)
      })

      it('counts a deleted version', async () => {
        await kv.write('cas-deleted', KEY)
        await kv.remove('cas-deleted')
        expect(await write('cas-deleted', { cas: 0 })).toMatchObject(mismatch)
        expect(await kv.write('cas-deleted', KEY, 1)).toBe(2)
      })

      it('can be required', async () => {
        await kv.configure('cas-required', { cas_required: true })
        expect(await write('cas-required')).toMatchObject({
          status: 400,
          body: { errors: ['check-and-set parameter required for this call'] },
        })
        expect((await write('cas-required', { cas: 0 })).status).toBe(200)
      })

      it('lets exactly one of several racing writers win', async () => {
        const answers = await Promise.all(Array.from({ length: 8 }, () => write('cas-race', { cas: 0 })))
        expect(answers.filter(({ status }) => status === 200)).toHaveLength(1)
        expect((await kv.metadata('cas-race')).current_version).toBe(1)
      })
    })

    describe('mounts', () => {
      const shown = (path: string) => root.request('GET', `sys/internal/ui/mounts/${path}`)

      it('has KV version 2 under secret/ from the start', async () => {
        expect((await shown('secret')).body).toMatchObject({
          data: { path: 'secret/', type: 'kv', options: { version: '2' } },
        })
      })

      it('shows the mount of a path below it', async () => {
        await root.mount('contract-v1', 1)
        expect(await shown('contract-v1/a/b')).toMatchObject({
          status: 200,
          body: { data: { path: 'contract-v1/', type: 'kv', options: { version: '1' } } },
        })
      })

      it('refuses to show an unknown one, as one that may not be seen', async () => {
        const answer = await shown('contract-unknown')
        expect(answer.status).toBe(403)
        expect(answer.body).toMatchObject({
          errors: [expect.stringContaining('preflight capability check returned 403')],
        })
      })

      it('answers below an unknown one that there is no handler', async () => {
        expect(await root.request('GET', 'contract-unknown/data/x')).toMatchObject({
          status: 404,
          body: { errors: ['no handler for route "contract-unknown/data/x". route entry not found.'] },
        })
      })

      it('refuses a path that is in use', async () => {
        const body = { type: 'kv', options: { version: '2' } }
        expect(await root.request('POST', 'sys/mounts/contract', { body })).toMatchObject({
          status: 400,
          body: { errors: ['path is already in use at contract/'] },
        })
      })

      it('may have a path of several segments', async () => {
        const deep = await root.mount('contract-team/keys')
        await deep.write('a', KEY)
        expect((await deep.metadata('a')).current_version).toBe(1)
        expect((await shown('contract-team/keys/a')).body).toMatchObject({ data: { path: 'contract-team/keys/' } })
      })

      it('is empty when it is removed and made again', async () => {
        const first = await root.mount('contract-removed')
        await first.write('a', KEY)
        expect((await root.request('DELETE', 'sys/mounts/contract-removed')).status).toBe(204)
        expect((await root.request('GET', 'contract-removed/data/a')).status).toBe(404)
        await root.mount('contract-removed')
        expect(await root.request('GET', 'contract-removed/metadata/a')).toMatchObject(NOTHING)
      })

      it('answers a path without data/ or metadata/ with a warning', async () => {
        const answer = await kv.request('GET', 'contract/listed')
        expect(answer.status).toBe(404)
        expect(answer.body).toMatchObject({ warnings: [expect.stringContaining('Invalid path for a versioned K/V')] })
      })

      it('lists secrets below a folder', async () => {
        const own = await root.mount('contract-list')
        for (const path of ['b', 'a', 'folder/x', 'folder/y']) await own.write(path, KEY)
        const list = (folder: string) => own.request('GET', `contract-list/metadata/${folder}?list=true`)
        expect((await list('')).body).toMatchObject({ data: { keys: ['a', 'b', 'folder/'] } })
        expect((await list('folder')).body).toMatchObject({ data: { keys: ['x', 'y'] } })
        expect(await list('none')).toMatchObject(NOTHING)
      })
    })

    describe('KV version 1', () => {
      const at = (method: string, path: string, body?: unknown) =>
        root.request(method, `contract-kv1/${path}`, { body })
      beforeAll(() => root.mount('contract-kv1', 1))

      it('writes, reads and deletes', async () => {
        expect((await at('POST', 'a', KEY)).status).toBe(204)
        expect((await at('PUT', 'a', { id: 'other' })).status).toBe(204)
        expect(await at('GET', 'a')).toMatchObject({
          status: 200,
          body: { data: { id: 'other' }, lease_id: '', lease_duration: 2_764_800 },
        })
        expect((await at('DELETE', 'a')).status).toBe(204)
        expect(await at('GET', 'a')).toMatchObject(NOTHING)
      })

      it('takes the duration of the lease from the secret', async () => {
        await at('POST', 'ttl', { ...KEY, ttl: '5m' })
        expect((await at('GET', 'ttl')).body).toMatchObject({ lease_duration: 300 })
      })

      it('has nothing under metadata/ and data/', async () => {
        await at('POST', 'b', KEY)
        for (const path of ['metadata/b', 'data/b', 'data/b?version=1'])
          expect(await at('GET', path)).toMatchObject(NOTHING)
      })

      it('refuses to write nothing', async () => {
        expect(await at('POST', 'c', {})).toMatchObject({ status: 400, body: { errors: ['missing data fields'] } })
      })
    })

    describe('tokens', () => {
      const denied = { status: 403, body: { errors: ['permission denied'] } }
      const deniedByPolicy = { status: 403, body: { errors: [expect.stringContaining('permission denied')] } }

      it('refuses a wrong one and a missing one', async () => {
        for (const token of ['wrong', null])
          for (const path of ['contract/data/x', 'contract-unknown/data/x', 'auth/token/lookup-self'])
            expect(await root.request('GET', path, { token })).toMatchObject(denied)
      })

      it('takes a bearer token, and X-Vault-Token rather than it', async () => {
        const authorization = `Bearer ${server.token}`
        const lookup = (token: string | null, headers: Record<string, string>) =>
          root.request('GET', 'auth/token/lookup-self', { token, headers })
        expect((await lookup(null, { authorization })).status).toBe(200)
        expect((await lookup('wrong', { authorization })).status).toBe(403)
      })

      it('looks the root token up: it never expires', async () => {
        expect((await root.request('GET', 'auth/token/lookup-self')).body).toMatchObject({
          data: { policies: ['root'], ttl: 0, expire_time: null, num_uses: 0, type: 'service' },
        })
      })

      it('grants what the policy names and nothing else', async () => {
        await kv.write('granted', KEY)
        const token = await root.tokenFor('path "contract/data/granted" { capabilities = ["read"] }')
        const get = (path: string) => root.request('GET', path, { token })
        expect((await get('contract/data/granted')).status).toBe(200)
        expect((await get('contract/data/granted?version=1')).status).toBe(200)
        for (const path of [
          'contract/metadata/granted',
          'contract/data/grante',
          'contract/data/granted/x',
          'none/data/x',
        ])
          expect(await get(path)).toMatchObject(deniedByPolicy)
        expect(await root.request('POST', 'contract/data/granted', { token, body: { data: KEY } })).toMatchObject(
          deniedByPolicy,
        )
        expect((await get('sys/internal/ui/mounts/contract')).status).toBe(200)
        expect((await get('sys/internal/ui/mounts/secret')).status).toBe(403)
      })

      it('grants a folder with a star', async () => {
        const token = await root.tokenFor('path "contract/data/star/*" { capabilities = ["create", "update"] }')
        const write = (path: string) => root.request('POST', path, { token, body: { data: KEY } })
        expect((await write('contract/data/star/a')).status).toBe(200)
        expect((await write('contract/data/star')).status).toBe(403)
      })

      it('gives a token a life, and lets it end that', async () => {
        const token = await root.tokenFor('path "contract/data/x" { capabilities = ["read"] }')
        const lookup = () => root.request('GET', 'auth/token/lookup-self', { token })
        const { body } = await lookup()
        expect(body).toMatchObject({ data: { expire_time: expect.stringMatching(TIME), creation_ttl: 2_764_800 } })
        expect((await root.request('POST', 'auth/token/revoke-self', { token })).status).toBe(204)
        expect(await lookup()).toMatchObject(denied)
      })
    })

    describe('logins', () => {
      const loginOf = (mount: string, body: object, path = 'login') =>
        root.request('POST', `auth/${mount}/${path}`, { token: null, body })
      const refused = (text: string, status = 400) => ({ status, body: { errors: [expect.stringContaining(text)] } })
      const denied = { status: 403, body: { errors: ['permission denied'] } }
      let role: (settings?: object) => Promise<{ role_id: string; secret_id: string }>

      beforeAll(async () => {
        await root.request('POST', 'sys/auth/contract-approle', { body: { type: 'approle' } })
        await root.request('POST', 'sys/auth/contract-userpass', { body: { type: 'userpass' } })
        let count = 0
        role = async (settings = {}) => {
          count += 1
          const at = `auth/contract-approle/role/r${count}`
          await root.request('POST', at, { body: { token_policies: ['kr'], ...settings } })
          const { body: shown } = await root.request('GET', `${at}/role-id`)
          const { body: made } = await root.request('POST', `${at}/secret-id`)
          const { role_id } = (shown as { data: { role_id: string } }).data
          const { secret_id } = (made as { data: { secret_id: string } }).data
          return { role_id, secret_id }
        }
      })

      it('of approle give a token that the role describes, whatever token is sent along', async () => {
        const credentials = await role({ token_ttl: '1h' })
        for (const token of [null, 'garbage']) {
          const answer = await root.request('POST', 'auth/contract-approle/login', { token, body: credentials })
          expect(answer).toMatchObject({
            status: 200,
            body: {
              data: null,
              auth: {
                client_token: expect.any(String),
                policies: ['default', 'kr'],
                token_policies: ['default', 'kr'],
                metadata: { role_name: 'r1' },
                lease_duration: 3600,
                renewable: true,
                token_type: 'service',
                orphan: true,
                mfa_requirement: null,
                num_uses: 0,
              },
            },
          })
        }
      })

      it('of userpass take the name from the path', async () => {
        await root.request('POST', 'auth/contract-userpass/users/anna', {
          body: { password: 'p', token_policies: 'kr' },
        })
        const login = (password: string, name = 'anna') => loginOf('contract-userpass', { password }, `login/${name}`)
        expect(await login('p')).toMatchObject({ status: 200, body: { auth: { metadata: { username: 'anna' } } } })
        expect(await login('wrong')).toMatchObject(refused('invalid username or password'))
        expect(await login('p', 'nobody')).toMatchObject(refused('invalid username or password'))
      })

      it('of approle are refused with what is wrong', async () => {
        const { role_id, secret_id } = await role()
        const login = (body: object) => loginOf('contract-approle', body)
        expect(await login({ role_id, secret_id: 'wrong' })).toMatchObject(refused('invalid role or secret ID'))
        expect(await login({ role_id: 'wrong', secret_id })).toMatchObject(refused('invalid role or secret ID'))
        expect(await login({ role_id })).toMatchObject(refused('missing secret_id'))
        expect(await login({})).toMatchObject(refused('missing role_id', 500))
      })

      it('at a mount that is not there look like any other 403', async () => {
        expect(await loginOf('contract-nowhere', {})).toMatchObject(denied)
      })

      it('create no root tokens', async () => {
        const credentials = await role({ token_policies: ['root'] })
        expect(await loginOf('contract-approle', credentials)).toMatchObject(
          refused('auth methods cannot create root tokens'),
        )
      })

      it('lock a role out after five failures, with the right secret id too', async () => {
        const { role_id, secret_id } = await role()
        const login = (secret: string) => loginOf('contract-approle', { role_id, secret_id: secret })
        for (let tries = 0; tries < 5; tries += 1) expect((await login('wrong')).status).toBe(400)
        expect(await login(secret_id)).toMatchObject(denied)
        expect((await loginOf('contract-approle', await role())).status).toBe(200)
      })

      it('use a secret id up', async () => {
        const credentials = await role({ secret_id_num_uses: 1 })
        expect((await loginOf('contract-approle', credentials)).status).toBe(200)
        expect(await loginOf('contract-approle', credentials)).toMatchObject(refused('invalid role or secret ID'))
      })

      describe('and the tokens that they give', () => {
        const tokenOf = async (settings: object) => {
          const { body } = await loginOf('contract-approle', await role(settings))
          return (body as { auth: { client_token: string } }).auth.client_token
        }
        const renew = (token: string, body: object = {}) =>
          root.request('POST', 'auth/token/renew-self', { token, body })
        const lookup = (token: string) => root.request('GET', 'auth/token/lookup-self', { token })

        it('are renewed for as long as the role says, periodic ones for their period', async () => {
          const granted = (seconds: number) => ({
            status: 200,
            body: { auth: { lease_duration: seconds, renewable: true } },
          })
          expect(await renew(await tokenOf({ token_ttl: '1h' }))).toMatchObject(granted(3600))
          expect(await renew(await tokenOf({ token_period: '30m' }), { increment: '5h' })).toMatchObject(granted(1800))
          expect(await renew(await tokenOf({}))).toMatchObject(granted(2_764_800))
        })

        it('are renewed up to their explicit maximum', async () => {
          const token = await tokenOf({ token_ttl: '1h', token_explicit_max_ttl: '90m' })
          const { body } = await renew(token, { increment: '5h' })
          const { lease_duration: granted } = (body as { auth: { lease_duration: number } }).auth
          expect(granted).toBeGreaterThan(5390)
          expect(granted).toBeLessThanOrEqual(5400)
        })

        it('are not renewed or revoked when they are batch tokens', async () => {
          const token = await tokenOf({ token_type: 'batch', token_ttl: '1h' })
          expect(await renew(token)).toMatchObject(refused('batch tokens cannot be renewed'))
          expect(await root.request('POST', 'auth/token/revoke-self', { token })).toMatchObject(
            refused('batch tokens cannot be revoked'),
          )
          expect(await lookup(token)).toMatchObject({ body: { data: { type: 'batch', renewable: false } } })
        })

        it('may not look at themselves without the default policy', async () => {
          const token = await tokenOf({ token_no_default_policy: true })
          for (const answer of [await lookup(token), await renew(token)])
            expect(answer).toMatchObject(refused('1 error occurred:\n\t* permission denied', 403))
        })

        it('count every request when they have a number of uses, and die with the last', async () => {
          const token = await tokenOf({ token_num_uses: 2 })
          expect(await lookup(token)).toMatchObject({ status: 200, body: { data: { num_uses: 1 } } })
          expect((await lookup(token)).status).toBe(200)
          expect(await lookup(token)).toMatchObject(denied)
          expect(await renew(await tokenOf({ token_num_uses: 1 }))).toMatchObject(refused('token not found'))
        })

        it('die when they are revoked', async () => {
          const token = await tokenOf({})
          expect((await root.request('POST', 'auth/token/revoke-self', { token })).status).toBe(204)
          for (const answer of [await lookup(token), await renew(token)]) expect(answer).toMatchObject(denied)
        })
      })

      it('did not give the root token, which is not renewed', async () => {
        expect((await root.request('POST', 'auth/token/renew-self', { body: {} })).status).toBe(400)
      })

      it('are not needed for a token that somebody makes, renewable or not', async () => {
        const make = async (body: object) => {
          const answer = await root.request('POST', 'auth/token/create', { body: { policies: ['kr'], ...body } })
          return (answer.body as { auth: { client_token: string; lease_duration: number } }).auth
        }
        const { client_token: token, lease_duration: ttl } = await make({ ttl: '10m', renewable: false })
        expect(ttl).toBe(600)
        expect(await root.request('POST', 'auth/token/renew-self', { token, body: {} })).toMatchObject(
          refused('lease is not renewable'),
        )
        expect((await make({ ttl: '1h', explicit_max_ttl: '10m' })).lease_duration).toBe(600)
      })
    })

    it('says what a token may do at a path, and "deny" where it may nothing', async () => {
      const token = await root.tokenFor('path "contract/data/seen" { capabilities = ["read"] }')
      const ask = async (who: string) => {
        const body = { paths: ['contract/data/seen', 'contract/data/unseen'] }
        return (await root.request('POST', 'sys/capabilities-self', { token: who, body })).body
      }
      expect(await ask(token)).toMatchObject({
        data: { 'contract/data/seen': ['read'], 'contract/data/unseen': ['deny'] },
      })
      expect(await ask(server.token)).toMatchObject({ data: { 'contract/data/unseen': ['root'] } })
    })

    describe('paths', () => {
      it('sends a path with an empty segment to the clean one', async () => {
        const answer = await kv.request('GET', 'contract//data/x')
        expect([answer.status, answer.headers.get('location')]).toEqual([307, '/v1/contract/data/x'])
      })

      it('refuses relative ones', async () => {
        expect(await kv.request('GET', 'contract/data/a%2f..%2fb')).toMatchObject({
          status: 400,
          body: { errors: ['relative paths not supported'] },
        })
      })

      it('answers outside /v1 with a bare 404', async () => {
        const response = await fetch(`${server.address}/nope`)
        expect({ status: response.status, body: await response.json() }).toEqual(NOTHING)
      })
    })

    describe('the seal', () => {
      const health = () => root.request('GET', 'sys/health', { token: null })

      it('tells of its health without a token', async () => {
        const { status, body } = await health()
        expect(status).toBe(200)
        expect(body).toMatchObject({ initialized: true, sealed: false, standby: false, version: expect.any(String) })
        expect(Math.abs((body as { server_time_utc: number }).server_time_utc - Date.now() / 1000)).toBeLessThan(60)
        expect((await root.request('HEAD', 'sys/health', { token: null })).status).toBe(200)
      })

      it('is not closed by whoever comes', async () => {
        for (const token of ['wrong', null]) expect((await root.request('PUT', 'sys/seal', { token })).status).toBe(403)
        expect((await health()).status).toBe(200)
      })

      it('answers 503 while sealed, keeps its data, and opens with the key', async () => {
        await kv.write('sealed', KEY)
        await root.seal()
        const sealed = { status: 503, body: { errors: ['Vault is sealed'] } }
        for (const path of ['contract/data/sealed', 'contract/metadata/sealed', 'none/x', 'auth/token/lookup-self'])
          expect(await root.request('GET', path)).toMatchObject(sealed)
        expect(await root.request('GET', 'contract/data/sealed', { token: 'wrong' })).toMatchObject(sealed)
        expect(await health()).toMatchObject({ status: 503, body: { initialized: true, sealed: true } })
        const seal = await root.request('GET', 'sys/seal-status', { token: null })
        expect(seal).toMatchObject({ status: 200, body: { initialized: true, sealed: true, t: 1, n: 1 } })

        expect((await root.request('PUT', 'sys/unseal', { token: null, body: { key: '?' } })).status).toBe(400)
        expect((await health()).status).toBe(503)
        expect((await root.request('GET', 'sys/health?sealedcode=200', { token: null })).status).toBe(200)
        const opened = await root.request('PUT', 'sys/unseal', { token: null, body: { key: server.unsealKey } })
        expect(opened).toMatchObject({ status: 200, body: { sealed: false } })
        expect((await read('sealed')).body).toMatchObject({ data: { data: KEY } })
      })
    })
  })
}
