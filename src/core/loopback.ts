/** Which hosts are this machine: plain http and development tokens are allowed there alone. */
const QUAD = /^127(?:\.(?:25[0-5]|2[0-4]\d|1?\d?\d)){3}$/

/** 127.0.0.0/8, ::1 with or without brackets, and localhost are. Other spellings of them are not recognised. */
export const isLoopback = (host: string): boolean =>
  QUAD.test(host) || ['::1', '[::1]', 'localhost'].includes(host.toLowerCase())
