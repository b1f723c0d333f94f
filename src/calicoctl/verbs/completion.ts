/** `calicoctl completion`: a script that makes the shell complete commands, options, kinds, values and files. */
import {type CommandDeclaration, parseArguments, usageFailure} from '../command-line.ts';
import {bashScript, fishScript, zshScript} from '../completion/scripts.ts';
import {type WordsByPlace, wordsByPlace} from '../completion/words.ts';
import type {Io} from '../io.ts';

const DECLARATION: CommandDeclaration = {
  name: 'completion',
  help: 'Prints a script for the shell: source <(calicoctl completion bash), or calicoctl completion fish | source',
  flags: [],
  takesOperands: true,
};

export async function runCompletion(io: Io, rest: readonly string[]): Promise<number> {
  const {operands} = parseArguments(DECLARATION, rest);
  const [shell, ...more] = operands;
  const script = more.length === 0 ? SCRIPTS.get(shell ?? '') : undefined;
  if (script === undefined) throw usageFailure('completion');
  io.out(script(wordsByPlace()));
  return 0;
}

const SCRIPTS: ReadonlyMap<string, (words: WordsByPlace) => string> = new Map([
  ['bash', bashScript],
  ['zsh', zshScript],
  ['fish', fishScript],
]);
