/**
 * Completion as scripts of the shells. bash and zsh share one, although they are not alike: `--output=y` arrives as three
 * words in bash, where `=` ends a word, and as one in zsh; and in zsh a variable called `path` would be PATH.
 */
import {FILE_OPTIONS, FILE_OUTPUT_PLACE, VALUES, type WordsByPlace} from './words.ts';

export function bashScript(words: WordsByPlace): string {
  const cases = [...words].map(([place, all]) => `    '${place}') words='${[...all].join(' ')}' ;;\n`);
  const values = VALUES.map(({options, values: all}) => `    ${options.join('|')}) words='${all.join(' ')}' ;;\n`);
  return `_calicoctl() {
  local current=\${COMP_WORDS[COMP_CWORD]} previous=\${COMP_WORDS[COMP_CWORD-1]} place='' before='' word words=''
  for word in "\${COMP_WORDS[@]:1:$((COMP_CWORD - 1))}"; do
    case "$place $word" in
      ${placesOf(words).join('|')}) place="$place $word" ;;
    esac
  done
  if [[ $current == '=' ]]; then current=''
  elif [[ $previous == '=' ]]; then previous=\${COMP_WORDS[COMP_CWORD-2]}
  elif [[ $current == --*=* ]]; then previous=\${current%%=*} before=\${current%%=*}= current=\${current#*=}
  fi
  [[ $place == '${FILE_OUTPUT_PLACE}' && ( $previous == -o || $previous == --output ) ]] && previous=--filename
  case "$previous" in
    ${FILE_OPTIONS.join('|')}) compopt -o filenames 2>/dev/null; local IFS=$'\\n'; COMPREPLY=($(compgen -P "$before" -f -- "$current")); return ;;
${values.join('')}  esac
  if [[ -z $words && -z $before ]]; then case "$place" in
${cases.join('')}  esac; fi
  COMPREPLY=($(compgen -P "$before" -W "$words" -- "$current"))
  if [[ \${#COMPREPLY[@]} == 1 && \${COMPREPLY[0]} == *= ]]; then compopt -o nospace 2>/dev/null; fi
}
complete -F _calicoctl calicoctl
`;
}

export const zshScript = (words: WordsByPlace): string =>
  `autoload -U +X bashcompinit && bashcompinit\n${bashScript(words)}`;

export function fishScript(words: WordsByPlace): string {
  const cases = [...words].map(([place, all]) => `    case '${place}'\n      printf '%s\\n' ${[...all].join(' ')}\n`);
  const values = VALUES.map(
    ({options, values: all}) => `    case ${options.join(' ')}\n      printf '%s\\n' ${all.join(' ')}\n      return\n`,
  );
  return `function __calicoctl_words
  set -l place ''
  set -l given (commandline -opc)
  for word in $given[2..-1]
    switch "$place $word"
      case ${placesOf(words).join(' ')}
        set place "$place $word"
    end
  end
  set -l current (commandline -ct)
  set -l previous $given[-1]
  set -l before ''
  if string match -qr -- '^--[a-z0-9-]+=' $current
    set previous (string replace -r -- '=.*' '' $current)
    set before "$previous="
    set current (string replace -r -- '^[^=]*=' '' $current)
  end
  if test "$place" = '${FILE_OUTPUT_PLACE}'; and contains -- $previous -o --output
    set previous --filename
  end
  if contains -- $previous ${FILE_OPTIONS.join(' ')}
    string replace -r -- '^' $before (__fish_complete_path $current)
    return
  end
  set -l values (__calicoctl_values $previous)
  if test (count $values) -gt 0
    printf '%s\\n' $before$values
  else if test -z "$before"
    __calicoctl_next $place
  end
end
function __calicoctl_values
  switch "$argv"
${values.join('')}  end
end
function __calicoctl_next
  switch "$argv"
${cases.join('')}  end
end
complete -c calicoctl -f -a '(__calicoctl_words)'
`;
}

const placesOf = (words: WordsByPlace): readonly string[] =>
  [...words.keys()].filter((place) => place !== '').map((place) => `'${place}'`);
