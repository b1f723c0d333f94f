/**
 * A migration file as what is to be stored: every resource and every record of IPAM with key and value. All of it is
 * read, decoded and held against the rules of its kind before anything is written; one that cannot be taken is named,
 * and nothing is.
 */
import {randomUUID} from 'node:crypto';
import type {Clock} from '../../lib/clock.ts';
import {AgentError} from '../../lib/errors.ts';
import {isJsonObject, parseJson} from '../../lib/exact-json.ts';
import type {Resource} from '../../model/resource.ts';
import {errorText, nameOf} from '../error-text.ts';
import {Failure} from '../failure.ts';
import {documentTargets} from '../input/target-reader.ts';
import {idOf, type Target} from '../input/targets.ts';
import {readText, splitDocuments} from '../input/text-documents.ts';
import type {Io} from '../io.ts';
import {resourceOf} from '../resource-writer.ts';
import {parseIpamSection, type StoredPair} from './ipam-section.ts';

/** Larger than what a person writes: half of it are the addresses of every block, a line each. */
const LARGEST_FILE = 256 * 1024 * 1024;
const MOST_RESOURCES = 1_000_000;

export interface ImportFile {
  readonly resources: readonly StoredPair[];
  /** Kind of all resources; undefined when they differ. */
  readonly singleKind: string | undefined;
  readonly ipam: readonly StoredPair[];
  readonly cluster: ClusterFacts;
}

/** What the old datastore says of the cluster; what is absent there is undefined. */
export interface ClusterFacts {
  readonly clusterGUID: string | undefined;
  readonly calicoVersion: string | undefined;
  readonly clusterType: string | undefined;
}

/** Throws a Failure that says what is wrong with the file. */
export async function readImportFile(
  io: Pick<Io, 'folder' | 'readStdin' | 'clock'>,
  name: string,
): Promise<ImportFile> {
  const parts = (await readText(io, name, LARGEST_FILE)).split(/^===\n/m);
  const [resourceText, clusterText, ipamText] = parts;
  if (parts.length !== 3 || resourceText === undefined || clusterText === undefined || ipamText === undefined)
    throw new Failure(
      `error while reading migration file: imported file: ${name} is improperly formatted. Try recreating with 'calicoctl datastore migrate export'`,
    );
  const documents = splitDocuments(resourceText, name);
  const targets = documentTargets(documents, MOST_RESOURCES);
  const birth = {creationTimestamp: timestamp(io.clock)};
  const resources = targets.map((target) => pairOf(target, birth));
  const ipam = parseIpamSection(ipamText, LARGEST_FILE);
  refuseTwins([...resources, ...ipam]);
  const kinds = new Set(targets.map(({kind}) => kind.kind));
  const [kind] = kinds;
  return {resources, singleKind: kinds.size === 1 ? kind : undefined, ipam, cluster: clusterFacts(clusterText)};
}

const timestamp = (clock: Clock): string => new Date(clock.wallMs()).toISOString().replace(/\.\d+Z$/, 'Z');

function pairOf(target: Target, birth: {readonly creationTimestamp: string}): StoredPair {
  const id = idOf(target, undefined);
  const {kind} = target;
  const what = nameOf(kind, id);
  let resource: Resource;
  try {
    resource = resourceOf(target, id);
  } catch (cause) {
    if (!(cause instanceof AgentError)) throw cause;
    throw new Failure(`failed to import v3 resources: ${what}: ${errorText(cause, kind, id)}`, {cause});
  }
  const metadata = {...resource.metadata, uid: randomUUID(), ...birth};
  const key = kind.key(id);
  return {what, key, value: kind.encode({...resource, metadata}, key)};
}

function refuseTwins(pairs: readonly StoredPair[]): void {
  const seen = new Set<string>();
  for (const {key, what} of pairs) {
    if (seen.has(key)) throw new Failure(`the file has ${what} twice`);
    seen.add(key);
  }
}

function clusterFacts(text: string): ClusterFacts {
  const value = parsed(text);
  const spec = isJsonObject(value) && isJsonObject(value.spec) ? value.spec : undefined;
  if (spec === undefined)
    throw new Failure('failed to update cluster information: the file holds no ClusterInformation between the ===');
  const textOf = (name: string): string | undefined => {
    const field = spec[name];
    return typeof field === 'string' && field !== '' ? field : undefined;
  };
  return {
    clusterGUID: textOf('clusterGUID'),
    calicoVersion: textOf('calicoVersion'),
    clusterType: textOf('clusterType'),
  };
}

function parsed(text: string): ReturnType<typeof parseJson> {
  try {
    return parseJson(text);
  } catch (cause) {
    if (!(cause instanceof AgentError)) throw cause;
    throw new Failure(
      `failed to update cluster information: error reading exported cluster info for migration: ${cause.message}`,
      {cause},
    );
  }
}
