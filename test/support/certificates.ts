/** Test material: authorities and certificates that are made for one run and good for nothing else. */

/** The library asks for decorators' metadata, of which compiled code has none. */
const none = () => undefined
Object.assign(Reflect, { getMetadata: none, getOwnMetadata: none, defineMetadata: none })
const x509 = await import('@peculiar/x509')

const ALGORITHM = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' }
const DAY_MS = 86_400_000
const PEM_LINE = /.{1,64}/g

export interface Pair {
  /** PEM, this certificate alone. */
  readonly cert: string
  /** PEM, PKCS #8. */
  readonly key: string
}

export interface Authority extends Pair {
  /** @param subject common name. */
  issue(subject: string, more?: Wish): Promise<Pair>
  /** An authority below this one. */
  authority(subject: string): Promise<Authority>
}

interface Wish {
  /** Names or IP addresses of a server; without any it is a client's certificate. */
  readonly hosts?: readonly string[]
  /** Days from now. */
  readonly from?: number
  readonly to?: number
}

interface Made extends Pair {
  readonly keys: CryptoKeyPair
  readonly subject: string
}

type Signer = Pick<Made, 'keys' | 'subject'> | null

export const authority = async (subject: string): Promise<Authority> => asAuthority(await make(subject, null, true))

/** Signed by its own key. */
export const selfSigned = (subject: string, more: Wish = {}): Promise<Pair> => make(subject, null, false, more)

const asAuthority = (made: Made): Authority => ({
  cert: made.cert,
  key: made.key,
  issue: (subject, more = {}) => make(subject, made, false, more),
  authority: async (subject) => asAuthority(await make(subject, made, true)),
})

async function make(subject: string, issuer: Signer, isAuthority: boolean, wish: Wish = {}): Promise<Made> {
  const keys = await crypto.subtle.generateKey(ALGORITHM, true, ['sign', 'verify'])
  const signer = issuer ?? { keys, subject }
  const certificate = await x509.X509CertificateGenerator.create({
    serialNumber: Buffer.from(crypto.getRandomValues(new Uint8Array(8))).toString('hex'),
    subject: `CN=${subject}, OU=Test material`,
    issuer: `CN=${signer.subject}, OU=Test material`,
    notBefore: new Date(Date.now() + (wish.from ?? -1) * DAY_MS),
    notAfter: new Date(Date.now() + (wish.to ?? 1) * DAY_MS),
    signingAlgorithm: ALGORITHM,
    publicKey: keys.publicKey,
    signingKey: signer.keys.privateKey,
    extensions: isAuthority ? authorityExtensions() : leafExtensions(wish.hosts ?? []),
  })
  const key = pem('PRIVATE KEY', await crypto.subtle.exportKey('pkcs8', keys.privateKey))
  return { cert: pem('CERTIFICATE', certificate.rawData), key, keys, subject }
}

const authorityExtensions = () => [
  new x509.BasicConstraintsExtension(true, undefined, true),
  new x509.KeyUsagesExtension(x509.KeyUsageFlags.keyCertSign | x509.KeyUsageFlags.cRLSign, true),
]

function leafExtensions(hosts: readonly string[]) {
  const names = hosts.map((host) => ({
    type: /^[\d.]+$|:/.test(host) ? ('ip' as const) : ('dns' as const),
    value: host,
  }))
  const usage = hosts.length > 0 ? x509.ExtendedKeyUsage.serverAuth : x509.ExtendedKeyUsage.clientAuth
  return [
    new x509.ExtendedKeyUsageExtension([usage]),
    ...(names.length > 0 ? [new x509.SubjectAlternativeNameExtension(names)] : []),
  ]
}

const pem = (label: string, bytes: ArrayBuffer): string =>
  [
    `-----BEGIN ${label}-----`,
    ...(Buffer.from(bytes).toString('base64').match(PEM_LINE) ?? []),
    `-----END ${label}-----`,
    '',
  ].join('\n')
