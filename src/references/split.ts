/** Where the path of a reference is divided into the secret and its field, by the type of the vault. */

/** The end of a reference's path: what is the secret, and what the field of it; `null` = all of it. */
interface SoughtField {
  readonly resource: string
  readonly key: string | null
}

/** Where Kong's rule for that, the last segment, is not the vault's. */
export type SplitField = (written: SoughtField) => SoughtField

const asWritten: SplitField = (written) => written

/** In Kong's grammar the last segment is a key; of a file that is not JSON it is the file's own name. */
const ofFiles: SplitField = ({ resource, key }) =>
  key === null || /\.json$/i.test(resource) ? { resource, key } : { resource: `${resource}/${key}`, key: null }

export const splitFor = (type: string): SplitField => (type === 'fs' ? ofFiles : asWritten)
