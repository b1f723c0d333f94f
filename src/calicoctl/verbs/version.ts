/** `calicoctl version`: of this program and, unless only that is asked for, of the cluster. */

import {CALICO_VERSION} from '../../model/version.ts';
import {CONFIG_FLAG, type CommandDeclaration, parseArguments, VERSION_FLAG} from '../command-line.ts';
import {Failure} from '../failure.ts';
import type {Io} from '../io.ts';

const DECLARATION: CommandDeclaration = {
  name: 'version',
  help: 'Shows the version of this program and of the cluster.',
  flags: [
    CONFIG_FLAG,
    {
      long: 'poll',
      value: 'POLL',
      help: 'show the version of the cluster again and again, this often (1s, 5m); 0: once',
    },
    VERSION_FLAG,
    {long: 'client', help: 'of this program only'},
  ],
  takesOperands: false,
};

export async function runVersion(io: Io, rest: readonly string[]): Promise<number> {
  const args = parseArguments(DECLARATION, rest);
  const poll = args.value('poll') ?? '';
  const intervalMs = poll === '' ? 0 : await parseInterval(poll);
  io.out(`Client Version:    ${CALICO_VERSION}\n`);
  if (args.has('client')) return 0;
  const {showClusterVersion} = await import('./cluster-version.ts');
  if (intervalMs === 0) return showClusterVersion(io, args.value('config'));
  const {sleep} = await import('../../lib/clock.ts');
  for (;;) {
    await showClusterVersion(io, args.value('config'));
    await sleep(io.clock, intervalMs, io.signal);
  }
}

/** In milliseconds. */
async function parseInterval(text: string): Promise<number> {
  const {parseDuration} = await import('../../lib/duration.ts');
  const intervalMs = parseDuration(text);
  if (intervalMs !== undefined && intervalMs >= 0) return intervalMs;
  throw new Failure(`invalid poll duration specified: ${text}: write a duration such as 5s or 1m30s`);
}
