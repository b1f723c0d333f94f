/**
 * `calicoctl datastore migrate import`: what `export` printed, into a datastore that has nothing yet. It is locked first
 * and stays locked: whoever looks at the result unlocks it.
 */
import {ClusterInformation} from '../../model/kinds/cluster-information.ts';
import {CONFIG_FLAG, type CommandDeclaration, parseArguments, usageFailure, VERSION_FLAG} from '../command-line.ts';
import type {Io} from '../io.ts';
import {type ClusterFacts, readImportFile} from '../migration/import-file.ts';
import {type ImportStep, planImport, writeSteps} from '../migration/import-writer.ts';
import type {StoredPair} from '../migration/ipam-section.ts';
import {startProgress} from '../progress.ts';
import {lock} from '../rules/datastore-lock.ts';
import {type Session, withSession} from '../session.ts';

const DECLARATION: CommandDeclaration = {
  name: 'datastore migrate import',
  help: 'Stores what `datastore migrate export` printed. The datastore must hold nothing else.',
  flags: [
    {short: 'f', long: 'filename', value: 'FILENAME', help: 'file to import; - is standard input'},
    CONFIG_FLAG,
    VERSION_FLAG,
  ],
  takesOperands: false,
};

/** The version of the cluster is not asked for: it comes with the file. */
export async function runDatastoreImport(io: Io, rest: readonly string[]): Promise<number> {
  const args = parseArguments(DECLARATION, rest);
  const filename = args.value('filename');
  if (filename === undefined) throw usageFailure('datastore migrate import');
  return withSession(io, args.value('config'), async (session) => {
    const file = await readImportFile(io, filename);
    const all = [...file.resources, ...file.ipam];
    // Asked before anything is changed, and again under the lock, which makes what every cluster has.
    await planImport(session, all);
    await lock(session);
    const steps = await planImport(session, all);
    await write(session, file.resources, steps);
    const ofKind = file.singleKind === undefined ? '' : `'${file.singleKind}' `;
    io.out(`Successfully applied ${file.resources.length} ${ofKind}resource(s)\n`);
    io.out('Importing IPAM resources\n');
    await write(session, file.ipam, steps);
    io.out(`Successfully applied ${file.ipam.length} IPAM resource(s)\n`);
    await takeOver(session, file.cluster);
    io.out(
      'Datastore information successfully imported. Please refer to the datastore migration documentation for next steps.\n',
    );
    return 0;
  });
}

/** What is there already was written by an import of the same file that broke off. */
async function write(
  session: Session,
  pairs: readonly StoredPair[],
  steps: ReadonlyMap<string, ImportStep>,
): Promise<void> {
  const ofPairs = pairs.flatMap(({key}) => steps.get(key) ?? []);
  const progress = startProgress(session.io, 'imported', ofPairs.length);
  try {
    await writeSteps(session, ofPairs, (done) => progress.report(done));
  } finally {
    progress.end();
  }
}

/** Last, so that a cluster of that number is a whole one. */
async function takeOver({resources, call}: Session, facts: ClusterFacts): Promise<void> {
  const known = Object.fromEntries(Object.entries(facts).filter(([, text]) => text !== undefined));
  await resources.modify(
    ClusterInformation,
    {name: 'default'},
    (current) => current && {...current, spec: {...current.spec, ...known}},
    call,
  );
}
