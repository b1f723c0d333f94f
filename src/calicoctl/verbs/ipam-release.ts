/** `calicoctl ipam release`: gives an address back, or those that all of several reports call leaked. */
import {readFile} from 'node:fs/promises';
import {resolve} from 'node:path';
import {Allocator} from '../../ipam/allocator.ts';
import {formatIp, parseIp} from '../../lib/cidr.ts';
import {messageOf} from '../../lib/errors.ts';
import {CONFIG_FLAG, type CommandDeclaration, parseArguments, VERSION_FLAG} from '../command-line.ts';
import {Failure} from '../failure.ts';
import type {Io} from '../io.ts';
import {escapeForTerminal} from '../output/escape.ts';
import {heldAddresses} from '../rules/held-addresses.ts';
import {parseReport, type Report, type ReportedAddress, readCircumstances} from '../rules/ipam-report.ts';
import {checkClusterVersion, type Session, withSession} from '../session.ts';

const DECLARATION: CommandDeclaration = {
  name: 'ipam release',
  help: 'Gives back an address that nobody uses any more. Whoever still uses it may lose its traffic.',
  flags: [
    {long: 'ip', value: 'IP', help: 'the address'},
    {
      long: 'from-report',
      value: 'REPORT',
      repeats: true,
      help: 'a report of `ipam check -o`; of several, what all of them call leaked',
    },
    {long: 'force', help: 'also when the reports are of another release or the datastore was not locked'},
    CONFIG_FLAG,
    VERSION_FLAG,
  ],
  takesOperands: false,
};

export async function runIpamRelease(io: Io, rest: readonly string[]): Promise<number> {
  const args = parseArguments(DECLARATION, rest);
  return withSession(io, args.value('config'), async (session) => {
    await checkClusterVersion(session, args.has(VERSION_FLAG.long));
    const ip = args.value('ip');
    const files = args.values('from-report');
    if (ip !== undefined) await releaseAddress(session, ip);
    else if (files.length > 0) await releaseReported(session, files, args.has('force'));
    return 0;
  });
}

const allocatorOf = ({store, io}: Session): Allocator => new Allocator({store, clock: io.clock, log: io.log});

async function releaseAddress(session: Session, text: string): Promise<void> {
  const address = parseIp(text);
  if (address === undefined)
    throw new Failure(`Error executing command: invalid IP address specified: ${text}`, {stream: 'out'});
  const ip = formatIp(address);
  const held = await heldAddresses(session, [ip]);
  if (held.length === 0) throw new Failure(`IP address ${ip} is not assigned`);
  const {released, conflicts} = await allocatorOf(session).releaseIps(held, session.call);
  const [conflict] = conflicts;
  if (conflict !== undefined) throw conflict.error;
  if (released.length === 0) throw new Failure(`IP address ${ip} is not assigned`);
  session.io.out(`Successfully released IP address ${ip}\n`);
}

async function releaseReported(session: Session, files: readonly string[], isForced: boolean): Promise<void> {
  const {io, call} = session;
  const reports = await Promise.all(files.map((file) => readReport(io, file)));
  await checkCircumstances(session, reports, isForced);
  const leaked = inAll(reports);
  io.out(`Releasing ${leaked.length} IPs that all reports call leaked.\n`);
  const {released, unallocated, conflicts} = await allocatorOf(session).releaseIps(leaked, call);
  io.out(`Successfully released ${released.length} IPs; ${unallocated.length} were free already.\n`);
  for (const {ip, error} of conflicts) io.err(`${escapeForTerminal(`${ip} is left alone: ${error.message}`)}\n`);
  io.out('You may now unlock the data store.\n');
}

async function readReport({folder}: Io, file: string): Promise<Report> {
  let text: string;
  try {
    text = await readFile(resolve(folder, file), 'utf8');
  } catch (cause) {
    throw new Failure(`cannot read the report ${file}: ${messageOf(cause)}`, {cause});
  }
  return parseReport(file, text);
}

/** Reports of another cluster are never used; of another release, or without a lock, when that is forced. */
async function checkCircumstances(session: Session, reports: readonly Report[], isForced: boolean): Promise<void> {
  const now = await readCircumstances(session);
  for (const {file, circumstances: then} of reports) {
    if (then.clusterGUID !== now.clusterGUID)
      throw new Failure(
        escapeForTerminal(`the report ${file} is of cluster ${then.clusterGUID}, this one is ${now.clusterGUID}`),
      );
    if (!isForced && then.version !== now.version)
      throw new Failure(
        escapeForTerminal(`the report ${file} is of release ${then.version}, this is ${now.version}: see --force`),
      );
  }
  const isCurrent = reports.some(
    ({circumstances}) => circumstances.clusterInformationRevision === now.clusterInformationRevision,
  );
  if (!isForced && !now.datastoreLocked)
    throw new Failure('the datastore is not locked: run `calicoctl datastore migrate lock` first, or see --force');
  if (!isForced && !isCurrent)
    throw new Failure('no report was made since the datastore was locked: make one now, or see --force');
}

/** Of the first report what all others say too: the same address, handle and allocation. */
function inAll([first, ...others]: readonly Report[]): readonly ReportedAddress[] {
  const textOf = ({ip, handleId, sequenceNumber}: ReportedAddress): string =>
    JSON.stringify([ip, handleId, String(sequenceNumber)]);
  const sets = others.map(({leaked}) => new Set(leaked.map(textOf)));
  return first?.leaked.filter((address) => sets.every((set) => set.has(textOf(address)))) ?? [];
}
