/** The part of a Kubernetes cluster that Vault asks, a TokenReview, and the tokens of its service accounts. */
import { json } from 'node:stream/consumers'
import type { CryptoKey as JoseKey } from 'jose'
import { SignJWT, decodeJwt, generateKeyPair, jwtVerify } from 'jose'
import { authority } from './certificates.ts'
import { listen } from './listen.ts'

export interface Cluster {
  /** For `auth/<mount>/config`. */
  readonly config: Readonly<Record<string, string | boolean>>
  /** From now on it cuts every connection. */
  isDown: boolean
  /** A JWT of the account in the namespace `shop`. @param key another one than the cluster's. */
  account(name: string, key?: JoseKey): Promise<string>
  close(): Promise<void>
}

export async function startCluster(): Promise<Cluster> {
  const { privateKey, publicKey } = await generateKeyPair('ES256')
  const { cert } = await authority('Kubernetes authority')

  async function review(token: string) {
    const authenticated = await jwtVerify(token, publicKey).then(
      () => true,
      () => false,
    )
    const username = decodeJwt(token).sub
    const user = { username, uid: `uid-${username?.split(':')[3]}`, groups: [] }
    return { status: { authenticated, audiences: ['vault'], user } }
  }

  const { url, close } = await listen(async (request, response) => {
    if (cluster.isDown) throw new Error('The cluster is down.')
    const { spec } = (await json(request)) as { spec: { token: string } }
    const body = JSON.stringify(await review(spec.token))
    response.writeHead(201, { 'content-type': 'application/json' }).end(body)
  })
  const cluster: Cluster = {
    config: {
      kubernetes_host: url,
      kubernetes_ca_cert: cert,
      disable_local_ca_jwt: true,
    },
    isDown: false,
    account: (name, key = privateKey) =>
      new SignJWT({ 'kubernetes.io': { namespace: 'shop', serviceaccount: { name, uid: `uid-${name}` } } })
        .setProtectedHeader({ alg: 'ES256' })
        .setIssuer('https://kubernetes.default.svc')
        .setSubject(`system:serviceaccount:shop:${name}`)
        .setAudience(['vault'])
        .setIssuedAt()
        .setExpirationTime('10m')
        .sign(key),
    close,
  }
  return cluster
}
