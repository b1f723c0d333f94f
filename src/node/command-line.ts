/** The flags of calico-node, as Calico's: at most one action; none runs the whole agent. */
import {AgentError} from '../lib/errors.ts';

export type Command =
  | {readonly kind: 'agent'}
  | {readonly kind: 'version'}
  | {readonly kind: 'startup'}
  | {readonly kind: 'allocate-tunnel-addresses'}
  | {readonly kind: 'probe'; readonly live: boolean; readonly ready: boolean};

export const USAGE = `usage: calico-node [FLAG]
without a flag: the agent of this node, in the foreground
  -v                                      print the version
  -startup                                prepare the datastore for this node and end
  -allocate-tunnel-addrs                  allocate this node's tunnel addresses and end
  -felix-live, -felix-ready               ask the running agent for its health`;

/** Parses the arguments; E_BAD_CONFIG for a flag it does not know and for flags that exclude each other. */
export function parseCommandLine(args: readonly string[]): Command {
  const flags = new Set(args.map((arg) => arg.replace(/^--?/, '')));
  for (const flag of flags) {
    if (!KNOWN.has(flag)) throw new AgentError('E_BAD_CONFIG', `unknown flag -${flag}`, {flag});
  }
  const actions = [...flags].flatMap((flag) => KNOWN.get(flag) ?? []);
  if (actions.length > 1 || (actions.length === 1 && isProbe(flags))) {
    throw new AgentError('E_BAD_CONFIG', 'More than one incompatible argument provided', {flags: [...flags]});
  }
  if (isProbe(flags)) return {kind: 'probe', live: flags.has('felix-live'), ready: flags.has('felix-ready')};
  return actions[0] ?? {kind: 'agent'};
}

/** Flag -> the action it is; undefined for flags that modify one. */
const KNOWN: ReadonlyMap<string, Command | undefined> = new Map<string, Command | undefined>([
  ['v', {kind: 'version'}],
  ['startup', {kind: 'startup'}],
  ['allocate-tunnel-addrs', {kind: 'allocate-tunnel-addresses'}],
  ['allocate-tunnel-addrs-run-once', undefined],
  ['felix-live', undefined],
  ['felix-ready', undefined],
]);

const isProbe = (flags: ReadonlySet<string>): boolean => flags.has('felix-live') || flags.has('felix-ready');
