/**
 * The records of IPAM in a migration file: one JSON object, each record with its key in the datastore. Of other releases
 * it holds the same, so everything is read with the decoders of the datastore and refused by name where it is wrong.
 */
import {AgentError} from '../../lib/errors.ts';
import {isJsonObject, type JsonObject, type JsonValue, parseJson, printJson} from '../../lib/exact-json.ts';
import {
  decodeAffinity,
  decodeBlock,
  decodeHandle,
  decodeIpamConfig,
  encodeAffinity,
  encodeBlock,
  encodeHandle,
} from '../../model/ipam-records.ts';
import {
  affinityKey,
  BLOCKS_PREFIX,
  blockKey,
  HANDLES_PREFIX,
  HOST_AFFINITIES_PREFIX,
  handleKey,
  IPAM_CONFIG_KEY,
  type ParsedKey,
  parseKey,
  VIRTUAL_AFFINITIES_PREFIX,
} from '../../model/keys.ts';
import {Failure} from '../failure.ts';
import type {Session} from '../session.ts';
import type {NodeNames} from './node-names.ts';

/** What is to be stored. */
export interface StoredPair {
  /** For people: `IPAM block 10.65.0.0/26`. */
  readonly what: string;
  readonly key: string;
  readonly value: string;
}

/** In the order in which they are written; blocks after the claims on them. */
const SECTIONS = ['block_affinities', 'blocks', 'handles'] as const;
type Section = (typeof SECTIONS)[number];

const PREFIXES: Readonly<Record<Section, readonly string[]>> = {
  block_affinities: [HOST_AFFINITIES_PREFIX, VIRTUAL_AFFINITIES_PREFIX],
  blocks: [BLOCKS_PREFIX],
  handles: [HANDLES_PREFIX],
};

/** All records, with the names that nodes have at the destination. Throws what cannot be read: nothing is left out. */
export async function readIpamSection({store, call}: Session, names: NodeNames): Promise<JsonObject> {
  const section: Record<string, JsonValue> = {};
  for (const name of SECTIONS) {
    const records: JsonObject[] = [];
    for (const prefix of PREFIXES[name])
      for (const {key, value} of (await store.list(prefix, call)).entries)
        records.push(...recordOf(name, key, value, names));
    if (records.length > 0) section[name] = records;
  }
  const config = await store.get(IPAM_CONFIG_KEY, call);
  if (config !== undefined) section.config = recordJson(IPAM_CONFIG_KEY, config.value);
  return section;
}

const recordJson = (key: string, value: string): JsonObject => ({Key: key, Value: parseJson(value), TTL: 0});

/** Spread copies are printed in the form of this release; what is stored may lack fields that later releases added. */
function recordOf(section: Section, key: string, value: string, names: NodeNames): readonly JsonObject[] {
  const parsed = parseKey(key);
  if (parsed?.kind === 'block') return [recordJson(key, encodeBlock(names.ofBlock(decodeBlock(value))))];
  if (parsed?.kind === 'affinity') {
    const host = parsed.type === 'host' ? names.of(parsed.host) : parsed.host;
    return [recordJson(affinityKey({...parsed, host}), encodeAffinity({...decodeAffinity(value)}))];
  }
  if (parsed?.kind === 'handle')
    return [recordJson(handleKey(names.ofHandle(parsed.handleId)), encodeHandle({...decodeHandle(value)}))];
  // Left by old releases, without a meaning.
  if (parsed?.kind === 'host-marker') return [];
  throw new Failure(`${key} is not a key of IPAM: it cannot be exported among the ${section}`);
}

/** What a file has of it. Throws a Failure that names the record that cannot be taken. */
export function parseIpamSection(text: string, maxLength: number): readonly StoredPair[] {
  const section = parseJson(text, {maxLength});
  if (!isJsonObject(section)) throw new Failure('failed to read IPAM resources: an object is expected');
  const unknown = Object.keys(section).find((name) => name !== 'config' && !isSection(name));
  if (unknown !== undefined) throw new Failure(`failed to read IPAM resources: there is no section ${unknown}`);
  const {config} = section;
  return [
    ...SECTIONS.flatMap((name) => listOf(section[name]).map((record) => pairOf(name, record))),
    ...(config === undefined || config === null ? [] : [pairOf('config', config)]),
  ];
}

const isSection = (name: string): boolean => SECTIONS.some((known) => known === name);

function listOf(value: JsonValue | undefined): readonly JsonValue[] {
  if (value === undefined || value === null) return [];
  if (Array.isArray(value)) return value;
  throw new Failure('failed to read IPAM resources: a list is expected');
}

function pairOf(section: Section | 'config', record: JsonValue): StoredPair {
  const {Key: key, Value: value} = isJsonObject(record) ? record : {};
  if (typeof key !== 'string' || value === undefined)
    throw new Failure(`failed to read IPAM resources: a record of ${section} has no Key or no Value`);
  const parsed = parseKey(key);
  const text = printJson(value);
  try {
    const what = parsed === undefined ? undefined : nameOfRecord(section, parsed, text);
    if (what !== undefined) return {what, key, value: text};
  } catch (cause) {
    if (!(cause instanceof AgentError)) throw cause;
    throw new Failure(`failed to read IPAM resources: ${key}: ${cause.message}`, {cause});
  }
  throw new Failure(`failed to read IPAM resources: ${key} is not a key of ${section}`);
}

/** Decodes the record; undefined when it is not one of the section. */
function nameOfRecord(section: Section | 'config', key: ParsedKey, text: string): string | undefined {
  switch (`${section} ${key.kind}`) {
    case 'block_affinities affinity':
      decodeAffinity(text);
      return key.kind === 'affinity' ? `claim of ${key.host} on ${key.cidr}` : undefined;
    case 'blocks block': {
      const {cidr} = decodeBlock(text);
      return blockKey(cidr) === (key.kind === 'block' ? blockKey(key.cidr) : '') ? `IPAM block ${cidr}` : undefined;
    }
    case 'handles handle':
      decodeHandle(text);
      return key.kind === 'handle' ? `IPAM handle ${key.handleId}` : undefined;
    case 'config ipam-config':
      decodeIpamConfig(text);
      return 'IPAM configuration';
    default:
      return undefined;
  }
}
