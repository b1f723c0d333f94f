/**
 * `calicoctl completion`: a script that makes the shell complete commands, flags, kinds and files. Made from the usage
 * texts, so that it knows what they know.
 */
import {KINDS} from '../../model/kinds.ts';
import {type CommandDeclaration, parseArguments, usageFailure} from '../command-line.ts';
import type {Io} from '../io.ts';
import {isManagedKind} from '../output/columns.ts';
import {USAGE} from '../usage.ts';

const DECLARATION: CommandDeclaration = {
  name: 'completion',
  help: 'Prints a script for the shell: source <(calicoctl completion bash)',
  flags: [],
  takesOperands: true,
};

export async function runCompletion(io: Io, rest: readonly string[]): Promise<number> {
  const {operands} = parseArguments(DECLARATION, rest);
  const [shell, ...more] = operands;
  if (more.length > 0 || (shell !== 'bash' && shell !== 'zsh')) throw usageFailure('completion');
  // zsh runs what bash has.
  io.out(shell === 'zsh' ? `autoload -U +X bashcompinit && bashcompinit\n${script()}` : script());
  return 0;
}

const OUTPUT_FORMS = 'ps wide yaml json custom-columns= go-template= go-template-file=';

function script(): string {
  const words = wordsOf(Object.entries(USAGE));
  const cases = [...words].map(([path, all]) => `    '${path}') words='${[...all].join(' ')}' ;;\n`);
  const paths = [...words.keys()].filter((path) => path !== '').map((path) => `'${path}'`);
  return `_calicoctl() {
  local current=\${COMP_WORDS[COMP_CWORD]} previous=\${COMP_WORDS[COMP_CWORD-1]} path='' word words=''
  for word in "\${COMP_WORDS[@]:1:COMP_CWORD-1}"; do
    case "$path $word" in
      ${paths.join('|')}) path="$path $word" ;;
    esac
  done
  case "$previous" in
    -f|--filename|-c|--config|--from-report) COMPREPLY=($(compgen -f -- "$current")); return ;;
    -o|--output) COMPREPLY=($(compgen -W '${OUTPUT_FORMS}' -- "$current")); return ;;
  esac
  case "$path" in
${cases.join('')}  esac
  COMPREPLY=($(compgen -W "$words" -- "$current"))
}
complete -F _calicoctl calicoctl
`;
}

/** Where one is on the command line (' ipam show') -> the words that may come next. */
function wordsOf(usages: readonly (readonly [command: string, usage: string])[]): ReadonlyMap<string, Set<string>> {
  const words = new Map<string, Set<string>>();
  const add = (path: string, more: readonly string[]): void => {
    words.set(path, new Set([...(words.get(path) ?? []), ...more]));
  };
  for (const [command, usage] of usages) {
    let path = '';
    for (const part of command.split(' ')) {
      add(path, [part]);
      path += ` ${part}`;
    }
    add(path, usage.match(/--[a-z][a-z-]*/g) ?? []);
    if (usage.includes('<KIND>')) add(path, kindNames());
  }
  return words;
}

const kindNames = (): readonly string[] =>
  KINDS.filter(isManagedKind)
    .flatMap(({aliases}) => aliases)
    .sort();
