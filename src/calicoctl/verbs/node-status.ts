/**
 * `calicoctl node status`: whether the agent runs on this machine, Calico's or ours. Ours has no BIRD, and says so in
 * Calico's words.
 */
import {type CommandDeclaration, parseArguments, VERSION_FLAG} from '../command-line.ts';
import type {Io} from '../io.ts';

const DECLARATION: CommandDeclaration = {
  name: 'node status',
  help: 'Says whether the agent runs on this machine.',
  flags: [VERSION_FLAG],
  takesOperands: false,
};

export async function runNodeStatus(io: Io, rest: readonly string[]): Promise<number> {
  parseArguments(DECLARATION, rest);
  if (!(await io.readProcesses()).some(isAgent)) {
    io.out('Calico process is not running.\n');
    return 1;
  }
  io.out('Calico process is running.\n\nThe BGP backend process (BIRD) is not running.\n\n');
  return 0;
}

/** Calico's go by their first two arguments, one of which is enough; ours is a program of Node.js without arguments. */
function isAgent(args: readonly string[]): boolean {
  const [program, action] = args;
  if (program === 'calico-felix' || program === 'calico-node' || action === '-felix') return true;
  return /\/node\/main\.[jt]s$/.test(args.at(-1) ?? '');
}
