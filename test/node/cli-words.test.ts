/** The words of the command line, and what it does where its pipes end: the executable itself, in a shell. */
import { spawn } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { SERVICE_REMEDIES } from '../../src/core/service-remedies.ts'
import { firstSync } from '../../src/keyring/no-active-key.ts'
import type { Ran } from '../support/cli.ts'
import { runCli } from '../support/cli.ts'
import type { Listening } from '../support/listen.ts'
import { CLI, local } from '../support/local.ts'
import { listen } from '../support/listen.ts'

/** Much more than a pipe holds. */
const KEYS = Array.from({ length: 5000 }, (_, index) => ({
  id: `key-${index}`,
  state: 'deactivated',
  source: 'present',
  versions: [index],
  created: '2026-01-01T00:00:00.000Z',
  weak: false,
}))
const VIEW = {
  keyring: 'orders',
  active: null,
  source: null,
  keys: KEYS,
  skipped: [],
  lost: 0,
  last_success: null,
  last_error: null,
  next_try: null,
  needed: [SERVICE_REMEDIES.ERR_SOURCE_CHANGED, firstSync('orders')],
}

let keyring: Listening
let cwd: string
let seen: string[]
let env: Record<string, string>
beforeAll(async () => {
  cwd = mkdtempSync(join(tmpdir(), 'edge-keyring-words-'))
  keyring = await listen(async ({ method, url = '' }, response) => {
    seen.push(`${method} ${url}`)
    const isProblem = method === 'POST'
    const problem = { code: 'ERR_KEY_IN_USE', detail: 'Some instance.', remedy: SERVICE_REMEDIES.ERR_KEY_IN_USE }
    response.writeHead(isProblem ? 409 : 200, { 'content-type': 'application/json' })
    response.end(JSON.stringify(isProblem ? problem : VIEW))
  })
})
afterAll(async () => {
  await keyring.close()
  rmSync(cwd, { recursive: true })
})

const cli = (words: string[], more: Record<string, string> = {}): Promise<Ran> => {
  seen = []
  env = { EDGE_KEYRING_URL: keyring.url, EDGE_KEYRING_TOKEN: 'ek_of_the_tests', ...more }
  return runCli(words, { cwd, env })
}

/** Runs a line of a shell; `$CLI` is the command line. */
function shell(line: string, more: Record<string, string> = {}): Promise<{ stdout: string; stderr: string }> {
  seen = []
  const child = spawn('bash', ['-c', line], {
    cwd,
    env: {
      PATH: process.env['PATH'] ?? '',
      CLI: `${process.execPath} ${CLI}`,
      EDGE_KEYRING_URL: keyring.url,
      EDGE_KEYRING_TOKEN: 'ek_of_the_tests',
      ...more,
    },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  const [out, err] = [[] as Buffer[], [] as Buffer[]]
  child.stdout.on('data', (chunk: Buffer) => out.push(chunk))
  child.stderr.on('data', (chunk: Buffer) => err.push(chunk))
  return new Promise((resolve) => {
    child.once('close', () => {
      resolve({ stdout: Buffer.concat(out).toString(), stderr: Buffer.concat(err).toString() })
    })
  })
}

describe('a flag without its value', () => {
  it.each([
    ['at the end of the line', 'encrypt x --context $UNSET'],
    ['before another flag', 'encrypt --context $UNSET --json -- x'],
    ['before the end of flags', 'encrypt --context $UNSET -- x'],
    ['in quotes', 'encrypt x --context "$UNSET"'],
    ['behind an equals sign', 'encrypt x --context=$UNSET'],
    ['behind an equals sign, in quotes', 'encrypt x --context="$UNSET"'],
    ['to decrypt', 'decrypt x --context $UNSET'],
    ['of the keyring, before another flag', 'remove --keyring $UNSET --force id'],
    ['of the keyring, in quotes', 'sync --keyring "$UNSET"'],
    ['of the keyring of a derived key', 'secrets derive --keyring $UNSET'],
    ['there twice', 'encrypt x --context a --context b'],
  ])('is a usage error, and nothing is asked: %s', async (_name, line) => {
    const { stdout, stderr } = await shell(`$CLI ${line}; echo "exit $?"`)
    expect(stdout).toMatch(/exit 2\n$/)
    expect(stdout + stderr).toMatch(/ERR_USAGE.*(--context|--keyring|A word is empty)/)
    expect(seen).toEqual([])
  })

  it.each([['remove "$UNSET"'], ['encrypt "$UNSET"'], ['"$UNSET"']])('nor is an empty word taken: %s', async (line) => {
    const { stdout, stderr } = await shell(`$CLI ${line}; echo "exit $?"`)
    expect([stdout, stderr]).toEqual(['exit 2\n', expect.stringMatching(/^ERR_USAGE: A word is empty\./)])
  })

  it('a value that begins with a dash is given behind an equals sign', async () => {
    await cli(['encrypt', 'x', '--context=--json'])
    expect(seen).toEqual(['POST /keyrings/default/encrypt'])
  })
})

describe('the words', () => {
  it('--json counts before the command, too', async () => {
    for (const words of [
      ['--json', 'keys'],
      ['keys', '--json'],
    ])
      expect((JSON.parse((await cli(words)).stdout) as object[]).length).toBe(KEYS.length)
    expect(JSON.parse((await cli(['--json', 'synk'])).stdout)).toMatchObject({ code: 'ERR_USAGE' })
    expect(JSON.parse((await cli(['--json', 'start'])).stdout)).toMatchObject({ code: 'ERR_USAGE' })
  })

  it.each([
    [['synk'], 'There is no command synk. Did you mean sync?'],
    [['secrets', 'nwe'], 'There is no command nwe. Did you mean new?'],
    [['help', 'stauts'], 'There is no command stauts. Did you mean status?'],
    [['remove', 'a', '--forse'], 'There is no flag --forse here. Did you mean --force?'],
    [['encrypt', 'x', '--kontext', 'a'], 'There is no flag --kontext here. Did you mean --context?'],
  ])('%j: the nearest command and flag are named', async (words, sentence) => {
    const { code, stderr } = await cli(words)
    const typed = ['secrets', 'remove', 'encrypt'].find((name) => name === words[0]) ?? '<command>'
    expect([code, stderr]).toEqual([2, `ERR_USAGE: ${sentence}\nSee "edge-keyring help ${typed}".\n`])
  })

  it.each([
    [['encrypt', '-----BEGIN CANARY KEY-----\nCANARY']],
    [['encrypt', 'my', 'CANARY', 'plaintext']],
    [['encrypt', '--plain=CANARY']],
    [['status', '--keyring', '../CANARY']],
    [['completion', 'CANARY']],
  ])('%j: what was typed is not told where it may be a secret', async (words) => {
    const { code, stdout, stderr } = await cli(words)
    expect([code, stdout, stderr]).toEqual([2, '', expect.stringMatching(/^ERR_USAGE: /)])
    expect(stderr).not.toContain('CANARY')
  })

  it('help shows the commands, and the words and flags of one', async () => {
    expect((await cli(['help'])).stdout).toBe((await cli(['--help'])).stdout)
    expect((await cli(['help', 'encrypt'])).stdout).toMatch(/\[plaintext\][^]*--context <text>/)
    expect(await cli(['help', 'secrets', 'derive'])).toMatchObject({
      code: 0,
      stdout: expect.stringMatching(/--keyring <name>/),
    })
    const { usage, words, flags } = JSON.parse((await cli(['help', '--json', 'encrypt'])).stdout) as Record<
      string,
      object
    >
    expect(usage).toBe('edge-keyring encrypt [options] [plaintext]')
    expect(words).toMatchObject([{ word: 'plaintext' }])
    expect(flags).toContainEqual({ flag: '--context <text>', description: expect.stringMatching(/^What the value/) })
    const { commands } = JSON.parse((await cli(['--json', 'help'])).stdout) as Record<string, object>
    expect(commands).toContainEqual({ name: 'sync', description: expect.stringMatching(/^Read the keyring/) })
    expect(JSON.parse((await cli(['help', '--json', 'stauts'])).stdout)).toMatchObject({ code: 'ERR_USAGE' })
    expect(JSON.parse((await cli(['help', '--json', 'secrets', 'nwe'])).stdout)).toMatchObject({ code: 'ERR_USAGE' })
    expect(await cli(['version'])).toMatchObject({ code: 0, stdout: (await cli(['--version'])).stdout })
  })
})

describe('remedies', () => {
  it.each([
    [{}, 'edge-keyring'],
    [{ npm_command: 'exec' }, 'npx edge-keyring'],
  ])('are commands that can be typed here: with %j %s', async (more, me) => {
    const { stdout } = await cli(['status', '--keyring', 'orders'], more)
    expect(stdout).toContain(`meant, run "${me} sync --keyring orders --adopt": earlier keys stay`)
    expect(stdout).toContain(`Sync for the first time: "${me} sync --keyring orders".\n`)
    const { needed } = JSON.parse((await cli(['status', '--keyring', 'orders', '--json'], more)).stdout) as typeof VIEW
    expect(needed.join()).not.toMatch(/POST|\{"/)
    expect((await cli(['help', 'nothing'], more)).stderr).toContain(`See "${me} help <command>".`)
    expect((await cli(['remove'], more)).stderr).toContain(`See "${me} help remove".`)
    expect((await cli(['secrets', 'derive', '--x'], more)).stderr).toContain(`See "${me} help secrets derive".`)
    const refused = await cli(['remove', 'a'], more)
    expect([refused.code, refused.stderr]).toEqual([1, expect.stringMatching(/; --force skips the wait, and loses/)])
    expect(JSON.parse((await cli(['remove', 'a', '--json'], more)).stdout)).toMatchObject({
      remedy: expect.stringMatching(/; --force skips/),
    })
  })

  it('name the start of a server by the command that is there', async () => {
    const nowhere = { EDGE_KEYRING_URL: '', EDGE_KEYRING_TOKEN: '', npm_command: 'exec' }
    expect((await cli(['keys'], nowhere)).stderr).toContain('\nStart a server here (npx edge-keyring start), go to')
  })
})

describe('pipes', () => {
  /** The reader has gone before the writer writes: it opens the way for it through a FIFO. */
  const intoNothing = (command: string) =>
    `rm -f go; mkfifo go; { read -r _ < go; ${command}; echo "exit $?" >&9; } 9>&2 | { exec 0<&-; echo > go; }`

  it('| head -1: one line, and no other sound', async () => {
    const { stdout, stderr } = await shell('{ $CLI keys 2>said; echo "exit $?" >&2; } | head -1')
    expect(stdout).toMatch(/^ID +STATE .*\n$/)
    expect(stderr).toBe('exit 141\n')
    expect(readFileSync(join(cwd, 'said'), 'utf8')).toBe(`deployment ${keyring.url}\n`)
  })

  it.each([
    ['keys'],
    ['status'],
    ['keys --json'],
    ['--help'],
    ['--version'],
    ['version'],
    ['complete -- st'],
    ['completion bash'],
    ['secrets new --json'],
  ])('%s | true: exit status 141, in silence', async (words) => {
    const { stdout, stderr } = await shell(intoNothing(`$CLI ${words} 2>said`))
    expect([stdout, stderr]).toEqual(['', 'exit 141\n'])
    expect(readFileSync(join(cwd, 'said'), 'utf8')).not.toMatch(/EPIPE|Error|at /)
  })

  it('standard error that nobody reads costs neither the result nor the exit status', async () => {
    await expect(shell(intoNothing('$CLI keys 2>&1 >result'))).resolves.toEqual({ stdout: '', stderr: 'exit 0\n' })
    expect(readFileSync(join(cwd, 'result'), 'utf8').split('\n').length).toBe(KEYS.length + 2)
    expect(await shell(intoNothing('$CLI remove a 2>&1 >result'))).toEqual({ stdout: '', stderr: 'exit 1\n' })
    expect(await shell(intoNothing('$CLI synk 2>&1 >result'))).toEqual({ stdout: '', stderr: 'exit 2\n' })
    expect(await shell(intoNothing('$CLI keys 2>&1'))).toEqual({ stdout: '', stderr: 'exit 141\n' })
  })

  it('the server of `start` goes on without a reader', async () => {
    const on = await local()
    const ready = `curl -sf --retry 40 --retry-connrefused --retry-delay 1 http://127.0.0.1:${on.port}/readyz`
    const start = `${process.execPath} ${CLI} start > >(head -n 1) 2>&1 & server=$!`
    const { stdout } = await on.bash(`${start}; ${ready}; kill -TERM $server; wait $server; echo " status $?"`)
    on.remove()
    expect(stdout).toMatch(/\{"status":"ready"\} status 0\n$/)
  })

  it('a result that cannot be written is a failure, and says why', async () => {
    const { stderr } = await shell('$CLI keys > /dev/full; echo "exit $?" >&2')
    expect(stderr).toBe(`deployment ${keyring.url}\nStandard output cannot be written (ENOSPC).\nexit 1\n`)
  })

  it('standard input that is a directory is a usage error', async () => {
    const { stderr } = await shell('$CLI encrypt < .; echo "exit $?" >&2')
    expect(stderr).toMatch(/^deployment .*\nERR_USAGE: Standard input is a directory\.\n.*\nexit 2\n$/)
  })

  it.each([[{}], [{ NO_COLOR: 'yes' }], [{ NO_COLOR: '1' }], [{ FORCE_COLOR: '1' }], [{ TERM: 'xterm-256color' }]])(
    'carry no escape codes, with %j',
    async (more) => {
      for (const words of ['--help', 'help remove', 'remove', 'synk', 'status']) {
        const { stdout, stderr } = await shell(`$CLI ${words}`, more)
        expect(stdout + stderr).not.toContain('\u001b')
      }
    },
  )

  it('nor does a terminal get any with NO_COLOR', async () => {
    const { stdout } = await shell('script -qec "$CLI --help" /dev/null', { NO_COLOR: 'yes', TERM: 'xterm-256color' })
    expect(stdout).toContain('compromise')
    expect(stdout).not.toContain('\u001b')
  })
})

describe('completion', () => {
  it('knows every command and flag, from their definitions', async () => {
    const complete = async (...words: string[]) =>
      (await cli(['complete', '--', ...words])).stdout
        .split('\n')
        .flatMap((line) => (/^:|^$/.test(line) ? [] : [line.split('\t')[0]]))
    const commands = Array.from((await cli(['help'])).stdout.matchAll(/^ {2}([a-z]+) /gm), ([, name]) => name)
    expect(commands).toContain('compromise')
    expect(commands.filter((name) => !readFileSync('docs/cli.md', 'utf8').includes(`\`${name}`))).toEqual([])
    expect(await complete('')).toEqual(commands)
    expect(await complete('st')).toEqual(['start', 'status'])
    expect(await complete('secrets', '')).toEqual(['new', 'derive'])
    expect(await complete('sync', '--')).toEqual(['--json', '--keyring', '--force', '--adopt', '--help'])
    expect(await complete('completion', '')).toEqual(['bash', 'zsh', 'fish'])
    expect(seen).toEqual([])
  })

  it('works in bash, with the command that is there', async () => {
    const line = [
      'edge-keyring() { $CLI "$@"; }',
      'source <($CLI completion bash); source <($CLI completion bash)',
      'COMP_WORDS=(edge-keyring sync --f); COMP_CWORD=2; _edge_keyring; echo "${COMPREPLY[@]}"',
      'echo precious > important',
      // The quotes keep them words, as they are on the line before it is carried out.
      `COMP_WORDS=(edge-keyring remove '$(touch pwned)' '>' important '; touch pwned' --fo); COMP_CWORD=6; _edge_keyring`,
      'cat important; ls pwned 2>/dev/null; complete -p edge-keyring',
    ].join('\n')
    expect(await shell(line)).toEqual({
      stdout: '--force\nprecious\ncomplete -F _edge_keyring edge-keyring\n',
      stderr: '',
    })
    for (const name of ['bash', 'zsh', 'fish'])
      expect((await cli(['completion', name], { npm_command: 'exec' })).stdout).toMatch(/npx edge-keyring complete --/)
  })
})
