/**
 * IPAM's records as custom resources of Kubernetes: the same data under other names. Blocks, affinities and handles are
 * called after their CIDR, host or id; affinities carry labels by which a node finds its own.
 */
import {createHash} from 'node:crypto';
import {parseCidr} from '../../lib/cidr.ts';
import {emptyObject, type JsonObject, type JsonValue, parseJsonObject, printJson} from '../../lib/exact-json.ts';
import {FieldReader} from '../field-reader.ts';
import {
  type Affinity,
  type Block,
  decodeAffinity,
  decodeBlock,
  decodeHandle,
  decodeIpamConfig,
  encodeBlock,
  encodeHandle,
  encodeIpamConfig,
  type Handle,
  type IpamConfig,
} from '../ipam-records.ts';
import type {AffinityKey, AffinityType} from '../keys.ts';
import {cidrResourceName} from '../names.ts';

export interface IpamObject {
  readonly name: string;
  readonly labels?: Readonly<Record<string, string>>;
  readonly spec: JsonObject;
}

/** `v1`: crd.projectcalico.org; there an affinity's deletion mark is text. */
export type CrdGroup = 'v1' | 'v3';

/** Fields that are spelt differently. */
type Spelling = readonly [etcd: string, kubernetes: string];
const BLOCK_FIELDS: readonly Spelling[] = [['affinity_claim_time', 'affinityClaimTime']];
const CONFIG_FIELDS: readonly Spelling[] = [
  ['strict_affinity', 'strictAffinity'],
  ['auto_allocate_blocks', 'autoAllocateBlocks'],
];

export function blockObject(block: Block): IpamObject {
  const spec = renamed(parseJsonObject(encodeBlock(block)), BLOCK_FIELDS);
  if (spec.affinity === null) delete spec.affinity;
  spec.attributes ??= [];
  spec.strictAffinity = false;
  return {name: cidrResourceName(block.cidr), spec};
}

export function blockOfObject(spec: JsonObject): Block {
  const record = renamed(spec, reversed(BLOCK_FIELDS));
  delete record.strictAffinity;
  // A copy is printed afresh: fields of an object come in any order, those of a record in one.
  return Object.freeze({...decodeBlock(printJson({affinity: null, ...record}))});
}

export function handleObject(handleId: string, handle: Handle): IpamObject {
  const {block, deleted} = parseJsonObject(encodeHandle(handle));
  return {name: handleId.toLowerCase(), spec: {handleID: handleId, block, deleted}};
}

/** Names are lower case, so only the spec knows the id. */
export function handleOfObject(spec: JsonObject): {readonly handleId: string; readonly handle: Handle} {
  const {handleID, ...record} = spec;
  return {handleId: typeof handleID === 'string' ? handleID : '', handle: decodeHandle(printJson(record))};
}

export function affinityObject(key: Omit<AffinityKey, 'kind'>, affinity: Affinity, group: CrdGroup): IpamObject {
  const {host, type, cidr} = key;
  const deleted = group === 'v1' ? String(affinity.deleted) : affinity.deleted;
  return {
    name: affinityObjectName(host, cidr),
    labels: affinityLabels(key),
    spec: {state: affinity.state, node: host, type, cidr, deleted},
  };
}

export function affinityOfObject(spec: JsonObject): {
  readonly key: Omit<AffinityKey, 'kind'>;
  readonly affinity: Affinity;
} {
  const fields = new FieldReader('BlockAffinity', spec);
  const host = fields.string('node') ?? '';
  const cidr = fields.string('cidr') ?? '';
  const type = fields.string('type') || 'host';
  if (host === '') fields.fail('node', 'must be specified');
  if (parseCidr(cidr) === undefined) fields.fail('cidr', 'must be a CIDR');
  const deleted = spec.deleted === true || spec.deleted === 'true';
  return {
    key: {host, type: isAffinityType(type) ? type : fields.fail('type', 'must be host or virtual'), cidr},
    affinity: decodeAffinity(printJson({state: spec.state ?? '', deleted})),
  };
}

const isAffinityType = (type: string): type is AffinityType => type === 'host' || type === 'virtual';

const LONGEST_NAME = 252;
const HASH_LENGTH = 11;

/** A name that would be too long ends in a hash instead of being cut. */
export function affinityObjectName(host: string, cidr: string): string {
  const block = cidrResourceName(cidr);
  const name = `${host}-${block}`;
  if (name.length <= LONGEST_NAME) return name;
  const hash = createHash('sha256').update(`${host}+${block}`).digest('hex').slice(0, HASH_LENGTH);
  const room = LONGEST_NAME - block.length - HASH_LENGTH - 2;
  return `${host.slice(0, room)}-${block}-${hash}`;
}

export function affinityLabels({host, type, cidr}: Omit<AffinityKey, 'kind'>): Readonly<Record<string, string>> {
  return {
    'projectcalico.org/hostname-hash': hostnameHash(host),
    'projectcalico.org/affinity-type': type,
    'projectcalico.org/ip-version': cidr.includes(':') ? '6' : '4',
  };
}

/** A host name may be no label value; its hash always is. */
export const hostnameHash = (host: string): string => base32(createHash('sha3-256').update(host).digest());

const BASE32 = 'ABCDEFGHIJKLMNOPQRSTUVWXYZ234567';

function base32(bytes: Uint8Array): string {
  let text = '';
  let buffer = 0;
  let bits = 0;
  for (const byte of bytes) {
    buffer = (buffer << 8) | byte;
    for (bits += 8; bits >= 5; bits -= 5) text += BASE32.charAt((buffer >> (bits - 5)) & 31);
    buffer &= (1 << bits) - 1;
  }
  return bits === 0 ? text : text + BASE32.charAt((buffer << (5 - bits)) & 31);
}

export function ipamConfigObject(config: IpamConfig): IpamObject {
  const spec = renamed(parseJsonObject(encodeIpamConfig(config)), CONFIG_FIELDS);
  return {
    name: 'default',
    spec: {...spec, strictAffinity: config.strictAffinity, autoAllocateBlocks: config.autoAllocateBlocks},
  };
}

export const ipamConfigOfObject = (spec: JsonObject): IpamConfig =>
  decodeIpamConfig(printJson(renamed(spec, reversed(CONFIG_FIELDS))));

const reversed = (spellings: readonly Spelling[]): readonly Spelling[] =>
  spellings.map(([etcd, kubernetes]) => [kubernetes, etcd] as const);

function renamed(object: JsonObject, names: readonly Spelling[]): Record<string, JsonValue> {
  const to = new Map(names);
  const copy = emptyObject();
  for (const [name, value] of Object.entries(object)) if (value !== undefined) copy[to.get(name) ?? name] = value;
  return copy;
}
