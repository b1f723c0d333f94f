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
    {long: 'poll', value: 'POLL', help: 'show the version of the cluster again and again, this often (1s, 5m)'},
    VERSION_FLAG,
    {long: 'client', help: 'of this program only'},
  ],
  takesOperands: false,
};

export async function runVersion(io: Io, rest: readonly string[]): Promise<number> {
  const args = parseArguments(DECLARATION, rest);
  io.out(`Client Version:    ${CALICO_VERSION}\n`);
  if (args.has('client')) return 0;
  const poll = args.value('poll');
  const {showClusterVersion} = await import('./cluster-version.ts');
  if (poll === undefined) return showClusterVersion(io, args.value('config'));
  const [{parseDuration}, {sleep}] = await Promise.all([import('../../lib/duration.ts'), import('../../lib/clock.ts')]);
  const intervalMs = parseDuration(poll);
  if (intervalMs === undefined || intervalMs <= 0)
    throw new Failure(`Invalid poll interval: ${poll}: write a duration such as 5s or 1m30s`);
  for (;;) {
    await showClusterVersion(io, args.value('config'));
    await sleep(io.clock, intervalMs, io.signal);
  }
}
