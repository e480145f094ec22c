/** `edge-keyring completion`: what a shell needs to complete commands and flags. */
import { ME } from './remedies.ts'

/** The library's own for bash evaluates what was typed: a redirection or a substitution in the line would be carried out by the key. */
const BASH = `_edge_keyring() {
  local line
  COMPREPLY=()
  while IFS= read -r line; do
    [[ $line == :* ]] || COMPREPLY+=("\${line%%$'\\t'*}")
  done < <(${ME} complete -- "\${COMP_WORDS[@]:1:COMP_CWORD}" 2>/dev/null)
}
complete -F _edge_keyring edge-keyring
`

export async function completion(shell: 'bash' | 'zsh' | 'fish', name: string): Promise<void> {
  if (shell === 'bash') process.stdout.write(BASH)
  else (await import('@bomb.sh/tab')).script(shell, name, ME)
}
