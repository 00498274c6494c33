/** The shells that completion is there for. */
export const shells = ["bash", "zsh", "fish"] as const;

export type Shell = (typeof shells)[number];

/**
 * What a shell reads so that it completes `spawner`. Each script hands the words before the cursor to `spawner complete`,
 * which prints a candidate a line, a tab and its description; where it prints none, the shell completes file names. Where
 * `spawner` is an alias and not a program in PATH, `command` is run in its place.
 */
export function completionScript(shell: Shell, command: readonly string[]): string {
  // What is quoted like this is the same to all three of them.
  const fallback = command.map((word) => `'${word.replaceAll("\\", "\\\\").replaceAll("'", "'\\''")}'`).join(" ");
  return scripts[shell](fallback);
}

const scripts: Readonly<Record<Shell, (fallback: string) => string>> = {
  // Bash breaks words at "=" and ":" as well, and replaces only what follows the last of them.
  bash: (fallback) => `__spawner_complete() {
  if type -P spawner > /dev/null; then command spawner complete "$@"; else ${fallback} complete "$@"; fi
}
_spawner() {
  local line="\${COMP_LINE:0:COMP_POINT}" words candidates partial
  read -ra words <<< "$line"
  [[ $line == *[[:space:]] ]] && words+=("")
  partial="\${words[\${#words[@]} - 1]}"
  local IFS=$'\\n'
  candidates=($(__spawner_complete -- "\${words[@]:1}" 2> /dev/null))
  candidates=("\${candidates[@]%%$'\\t'*}")
  COMPREPLY=("\${candidates[@]#"\${partial%"\${partial##*[=:]}"}"}")
}
complete -o default -F _spawner spawner
`,
  // As a file _spawner in a folder of $fpath it is called itself; read by source it makes itself known.
  zsh: (fallback) => `#compdef spawner
__spawner_complete() {
  if (( $+commands[spawner] )); then command spawner complete "$@"; else ${fallback} complete "$@"; fi
}
_spawner() {
  local -a candidates
  candidates=("\${(@f)$(__spawner_complete -- "\${(@)words[2,CURRENT]}" 2> /dev/null)}")
  candidates=("\${(@)candidates:#}")
  candidates=("\${(@)candidates//:/\\\\:}")
  candidates=("\${(@)candidates/$'\\t'/:}")
  if (( $#candidates )); then _describe spawner candidates; else _files; fi
}
if [[ $funcstack[1] == _spawner ]]; then _spawner "$@"; else compdef _spawner spawner; fi
`,
  fish: (fallback) => `function __spawner_run
  if command -q spawner; command spawner $argv; else; ${fallback} $argv; end
end
function __spawner_complete
  set -l words (commandline -opc) (commandline -ct)
  set -g __spawner_candidates (__spawner_run complete -- $words[2..] 2> /dev/null)
  test -n "$__spawner_candidates"
end
complete -c spawner -n __spawner_complete -f -a '(printf "%s\\n" $__spawner_candidates)'
`,
};
