/** Which hosts are this machine: plain http and development tokens are allowed there alone. */
const QUAD = /^127(?:\.(?:25[0-5]|2[0-4]\d|1?\d?\d)){3}$/

/** 127.0.0.0/8, ::1 with or without brackets, and localhost are. Other spellings of them are not recognised. */
export const isLoopback = (host: string): boolean =>
  QUAD.test(host) || ['::1', '[::1]', 'localhost'].includes(host.toLowerCase())

/** The one way from a text to an address that credentials go to: https, or plain http where `isLocal`. `null` = any other text. */
export function safeAddress(text: string, isLocal = isLoopback): URL | null {
  const url = URL.parse(text)
  const isSafe = url?.protocol === 'https:' || (url?.protocol === 'http:' && isLocal(url.hostname))
  return isSafe ? url : null
}

/** The same of what somebody writes down, without user, query or fragment. The URL parser repairs too much, so that the text is looked at first. */
export const writtenAddress = (text: string): URL | null =>
  /^https?:\/\/[^\s?#@\\]+$/i.test(text) ? safeAddress(text) : null
