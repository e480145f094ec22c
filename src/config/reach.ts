/** Schemas of how Vault is reached: where, what is trusted, what is presented, what is sent along. Files are read by the platform. */
import * as z from 'zod/mini'
import { isPem } from '../core/pem.ts'
import { Secret } from '../core/secret.ts'
import { oneOf, secretText, textsInJson } from './values.ts'

/** The URL parser repairs too much (`https:\\host`, a lone `?` or `@`), so the text is looked at first. */
const parseAddress = (text: string): URL | null =>
  /^https?:\/\/[^\s/?#@\\]+(?:\/(?!\.{1,2}(?:\/|$)|v1\/?$)[\w.~-]+)*\/?$/i.test(text) ? URL.parse(text) : null

export const vaultAddress = () =>
  z.pipe(
    z
      .string()
      .check(
        z.refine(
          (text) => parseAddress(text) !== null,
          'must be https://<host>[:port][/<base path>], without /v1, user, query or fragment',
        ),
      ),
    z.transform((text) => parseAddress(text) ?? z.NEVER),
  )

const FILE_OR_PEM = 'must be PEM, or the path of a PEM file'

/** PEM, or the path of a file with it. It is a secret, because a key may stand beside a certificate. */
export const fileOrPem = (path = /^\P{Cc}+$/u) =>
  secretText(
    z.string().check(
      z.trim(),
      z.refine((text) => isPem(text) || path.test(text), FILE_OR_PEM),
    ),
  )

/** One or more, separated by commas, and over lines if they like; `system` = those of the runtime and of the operating system. */
export const authorities = () => fileOrPem(/^(?:\P{Cc}|\s)+$/u)

/** Bindings are objects; `settingsOf` in functions/cloudflare gives this text for one. */
export const BINDING = '[binding]'
export const binding = (kind: string) => oneOf([BINDING], `must be a binding (${kind} in wrangler.toml)`)

const HEADERS = 'must be a JSON object of header names and texts'
const NAME = 'must not have a header that Vault, the connection or the body has already, or a name that is none'
const VALUE = 'must have values of printable ASCII'

/** Headers that mean something to Vault, and those that the runtime sets itself. */
const TAKEN =
  /^(x-vault-.*|accept|cache-control|cookie|host|connection|content-.*|expect|keep-alive|proxy-.*|te|trailer|transfer-encoding|upgrade|via)$/i
const isFree = (name: string): boolean => /^[A-Za-z0-9!#$%&'*+.^_`|~-]+$/.test(name) && !TAKEN.test(name)

export const headers = () =>
  z.pipe(
    textsInJson(HEADERS, (name, value) =>
      /^[\x21-\x7e](?:[\x20-\x7e]*[\x21-\x7e])?$/.test(value) ? isFree(name) || NAME : VALUE,
    ),
    z.transform((all) => Object.fromEntries(Object.entries(all).map(([name, value]) => [name, new Secret(value)]))),
  )
