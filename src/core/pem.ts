/** Reads PEM as people have it: blocks of any kinds anywhere in a text, through which an editor, a shell or an environment has gone. */

/** One block. Whether its content is what the label says is for whoever uses it. */
export interface PemBlock {
  /** `CERTIFICATE`, `RSA PRIVATE KEY`, … */
  readonly label: string
  /** Base64 without line ends; with a passphrase of the old kind, headers stand before it. */
  readonly content: string
}

export const isPem = (text: string): boolean => text.includes('-----BEGIN ')

/** `-----`. */
const DASHES = 5

/** The blocks of a label. Line ends may be of any system, written as `\n`, or missing. What stands around the blocks is for people. */
function blocksIn(text: string, isWanted: RegExp): PemBlock[] {
  const [, ...begun] = text.replaceAll(/(?<!\\)\\+[nr]/g, '\n').split('-----BEGIN ')
  return begun.flatMap((block) => {
    const label = /^[A-Z0-9 ]+(?=-----)/.exec(block)?.[0] ?? ''
    const end = block.indexOf(`-----END ${label}-----`)
    if (end < 0 || !isWanted.test(label)) return []
    return [{ label, content: block.slice(label.length + DASHES, end).replaceAll(/\s/g, '') }]
  })
}

export const certificatesIn = (text: string): PemBlock[] => blocksIn(text, /^(?:X509 |TRUSTED )?CERTIFICATE$/)

/** The one private key. A sentence about the text is what is wrong with it. */
export function privateKeyIn(text: string): PemBlock | string {
  const [key, ...others] = blocksIn(text, /^(?:[A-Z]+ )?PRIVATE KEY$/)
  if (key === undefined) return 'has no private key in PEM'
  if (others.some(({ content }) => content !== key.content)) return 'has more than one private key'
  if (/^ENCRYPTED|Proc-Type/.test(key.label + key.content))
    return 'has a private key with a passphrase: openssl pkcs8 -topk8 -nocrypt'
  return key
}
