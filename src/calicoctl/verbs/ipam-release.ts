/** `calicoctl ipam release`: gives an address back, or those that all of several reports call leaked. */
import {readFile} from 'node:fs/promises';
import {resolve} from 'node:path';
import {Allocator} from '../../ipam/allocator.ts';
import {formatIp, parseIp} from '../../lib/cidr.ts';
import {AgentError, hasCode, messageOf} from '../../lib/errors.ts';
import {handleKey} from '../../model/keys.ts';
import {CONFIG_FLAG, type CommandDeclaration, parseArguments, VERSION_FLAG} from '../command-line.ts';
import {Failure} from '../failure.ts';
import type {Io} from '../io.ts';
import {escapeForTerminal} from '../output/escape.ts';
import {heldAddresses} from '../rules/held-addresses.ts';
import {
  parseReport,
  type Report,
  type ReportedAddress,
  type ReportedHandle,
  readCircumstances,
} from '../rules/ipam-report.ts';
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
  const {io} = session;
  const reports = await Promise.all(files.map((file) => readReport(io, file)));
  await checkCircumstances(session, reports, isForced);
  const textOf = ({ip, handleId, sequenceNumber}: ReportedAddress): string =>
    JSON.stringify([ip, handleId, String(sequenceNumber)]);
  const addresses = inAll(
    reports.map(({leaked}) => leaked),
    textOf,
  );
  const handles = inAll(
    reports.map(({leakedHandles}) => leakedHandles),
    ({id, revision}) => `${revision} ${id}`,
  );
  if (addresses.length > 0) await releaseAddresses(session, addresses);
  else io.out("Report didn't contain any leaked IPs to clean up.\n");
  const failures = handles.length > 0 ? await deleteHandles(session, handles) : 0;
  if (handles.length === 0) io.out("Report didn't contain any handles to clean up.\n");
  if (failures > 0) throw new Failure(`${failures} handles are still there: run this again with the same reports`);
  io.out('You may now unlock the data store.\n');
}

async function releaseAddresses(session: Session, leaked: readonly ReportedAddress[]): Promise<void> {
  const {io, call} = session;
  io.out(`Releasing ${leaked.length} old IPs...\n`);
  const {released, unallocated, conflicts} = await allocatorOf(session).releaseIps(leaked, call);
  io.out(`Released ${released.length} IPs successfully\n`);
  if (unallocated.length > 0)
    io.out(`${unallocated.length} addresses marked as leaked in the report had already been cleaned up.\n`);
  for (const {ip, error} of conflicts) io.err(`${escapeForTerminal(`${ip} is left alone: ${error.message}`)}\n`);
}

/** At a time; each is a commit of its own, so that one that was used since does not stop the others. */
const PARALLEL_DELETIONS = 16;

/** A handle that was written since the report is left alone. Resolves to how many could not be deleted. */
async function deleteHandles({io, store, call}: Session, handles: readonly ReportedHandle[]): Promise<number> {
  io.out(`Deleting ${handles.length} handles...\nKey: '.' = Deleted OK; 'x' = skip, handle missing/changed.\n`);
  const count = {deleted: 0, skipped: 0, failed: 0};
  const waiting = handles.values();
  const worker = async (): Promise<void> => {
    for (const {id, revision} of waiting)
      try {
        await store.commit([{kind: 'delete', key: handleKey(id), revision}], call);
        count.deleted++;
        io.out('.');
      } catch (error) {
        if (!(error instanceof AgentError)) throw error;
        const isOther = hasCode(error, 'E_CONFLICT') || hasCode(error, 'E_NOT_FOUND');
        count[isOther ? 'skipped' : 'failed']++;
        io.out(isOther ? 'x' : `\n${escapeForTerminal(`Deleting handle ${id} failed: ${error.message}.`)}\n`);
      }
  };
  await Promise.all(Array.from({length: PARALLEL_DELETIONS}, worker));
  io.out(`\nReleased ${count.deleted} handles; ${count.skipped} skipped; ${count.failed} errors.\n`);
  return count.failed;
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

/**
 * Reports of another cluster are never used, and one must be of now; another release and a datastore without a lock can
 * be forced.
 */
async function checkCircumstances(session: Session, reports: readonly Report[], isForced: boolean): Promise<void> {
  const {io} = session;
  const now = await readCircumstances(session);
  for (const {file, circumstances: then} of reports) {
    if (then.clusterGUID !== now.clusterGUID)
      throw new Failure(
        `cluster does not match the provided report (${file}): mismatched cluster GUID. Refusing to release`,
      );
    if (then.version === now.version) continue;
    if (!isForced)
      throw new Failure(
        `the provided report (${file}) was produced using a different version (${escapeForTerminal(then.version)}) of calicoctl. Refusing to release`,
      );
    io.out('WARNING: Report was produced using a different version of calicoctl. Ignoring due to --force option\n');
  }
  const revisions = reports.map(({circumstances}) => circumstances.clusterInformationRevision);
  if (!revisions.includes(now.clusterInformationRevision))
    throw new Failure(
      'the provided reports are all stale - at least one should be up-to-date. Please generate a new report while the data store is locked and try again',
    );
  if (now.datastoreLocked) return;
  if (!isForced) throw new Failure('data store is not locked. Either lock the data store, or re-run with --force');
  io.out('WARNING: Data store is not locked. Ignoring due to --force option\n');
}

/** Of the first list what all others say too, in the same words. */
function inAll<T>([first = [], ...others]: readonly (readonly T[])[], textOf: (each: T) => string): readonly T[] {
  const sets = others.map((list) => new Set(list.map(textOf)));
  return first.filter((each) => sets.every((set) => set.has(textOf(each))));
}
