/** Refuses a Node that is too old. This is plain JavaScript, so that such a Node can still say what is wrong. */
const WANTED = [24, 11]
const [major, minor] = process.versions.node.split('.').map(Number)
if (major < WANTED[0] || (major === WANTED[0] && minor < WANTED[1])) {
  console.error(
    `edge-keyring needs Node ${WANTED.join('.')} or newer, and this is ${process.versions.node}: in a clone on Linux "npm ci" brings it along for npm start, npm test and npx; elsewhere install Node 24.`,
  )
  process.exit(1)
}
