/**
 * The records of IPAM as Calico stores them in etcd: block, affinity, handle, configuration. Decoded they are
 * immutable data to do arithmetic on; encoded they are Calico's bytes, and a record nobody changed gives the bytes it
 * was read from, whichever release wrote them.
 *
 * Sequence numbers begin as nanoseconds since 1970 and exceed 2^53: they are bigint, always. Decoding refuses a block
 * whose numbers point outside of it, because arithmetic would corrupt it; a block that merely contradicts itself (an
 * address both free and taken) is decoded, for `ipam check` to find.
 */
import {bitsOf, parseCidr} from '../lib/cidr.ts';
import {emptyObject, type JsonObject, type JsonValue, parseJson, printJson} from '../lib/exact-json.ts';
import {FieldReader, type StringMap, toJsonMap} from './field-reader.ts';
import {keepStored, storedForm} from './stored-form.ts';

/** Facts about an owner: node, pod, namespace, type, timestamp. */
export type BlockAttributes = StringMap;

/** Who has an address, shared by all addresses of a block with the same owner. */
export interface AllocationAttribute {
  readonly handleId: string | undefined;
  /** Empty when nothing is known. */
  readonly secondary: BlockAttributes;
  /** The second owner while a virtual machine moves between nodes. */
  readonly alternateOwner?: BlockAttributes | undefined;
  /** The address is free but cools down since then; the entry has no owner. */
  readonly releasedAt?: string | undefined;
  readonly unknownFields?: JsonObject | undefined;
}

export interface Block {
  /** Canonical text. */
  readonly cidr: string;
  /** `host:node1`, `virtual:load-balancer`, or undefined when nobody owns the block. */
  readonly affinity: string | undefined;
  /** RFC 3339; blocks from before v3.32 have none. */
  readonly affinityClaimTime: string | undefined;
  /** One entry per address: null when free, else an index into `attributes`. */
  readonly allocations: readonly (number | null)[];
  /** Free ordinals, a queue: the next address comes from the head, a released one goes to the tail. */
  readonly unallocated: readonly number[];
  readonly attributes: readonly AllocationAttribute[];
  /** 0n in blocks from before v3.23. */
  readonly sequenceNumber: bigint;
  /** By ordinal: the block's sequence number before the write that allocated the address. */
  readonly sequenceNumberForAllocation: ReadonlyMap<number, bigint>;
  readonly deleted: boolean;
  readonly unknownFields?: JsonObject | undefined;
}

/** The state of a claim on a block. Absent in the store counts as confirmed. */
export type AffinityState = 'pending' | 'confirmed' | 'pendingDeletion';

export interface Affinity {
  readonly state: AffinityState;
  readonly deleted: boolean;
  readonly unknownFields?: JsonObject | undefined;
}

export interface Handle {
  /** Addresses per block, by canonical CIDR: an upper bound, not a promise. */
  readonly counts: ReadonlyMap<string, number>;
  readonly deleted: boolean;
  readonly unknownFields?: JsonObject | undefined;
}

export interface IpamConfig {
  readonly strictAffinity: boolean;
  readonly autoAllocateBlocks: boolean;
  /** 0: the allocator's own default. */
  readonly maxBlocksPerHost: number;
  readonly kubeVirtVMAddressPersistence: 'Enabled' | 'Disabled' | undefined;
  readonly ipCooldownSeconds: number;
  readonly unknownFields?: JsonObject | undefined;
}

/** What holds while no configuration is stored. */
export const DEFAULT_IPAM_CONFIG: IpamConfig = {
  strictAffinity: false,
  autoAllocateBlocks: true,
  maxBlocksPerHost: 0,
  kubeVirtVMAddressPersistence: 'Enabled',
  ipCooldownSeconds: 0,
};

/** Throws E_INVALID_RESOURCE naming path, value and rule, or E_BAD_JSON. */
export function decodeBlock(text: string): Block {
  return faithful(readBlock(text), text, encodeBlock);
}

/** As `decodeBlock`, for those who never write the block back: half the work, but it may not print as it was stored. */
export function readBlock(text: string): Block {
  const fields = new FieldReader('IPAM block', parseJson(text));
  const cidrText = fields.string('cidr') ?? fields.fail('cidr', 'must be specified');
  const cidr = parseCidr(cidrText) ?? fields.fail('cidr', 'must be a CIDR');
  const size = bitsOf(cidr.ip.family) - cidr.length;
  if (size > 16) fields.fail('cidr', 'must be a block of at most 65536 addresses');
  const attributes = fields
    .list('attributes')
    .map((entry, i) => readAttribute(fields.inside(`attributes[${i}]`, entry)));
  const isOrdinal = (value: JsonValue): value is number => isIndexBelow(value, 2 ** size);
  const allocations = fields.list('allocations').map((entry, i) => {
    if (entry === null || isIndexBelow(entry, attributes.length)) return entry;
    return fields.fail(`allocations[${i}]`, `must be null or an index into the ${attributes.length} attributes`, entry);
  });
  if (allocations.length !== 2 ** size) fields.fail('allocations', `must have ${2 ** size} entries`);
  const unallocated = fields.list('unallocated').map((entry, i) => {
    return isOrdinal(entry) ? entry : fields.fail(`unallocated[${i}]`, `must be between 0 and ${2 ** size - 1}`, entry);
  });
  return {
    cidr: cidrText,
    affinity: fields.string('affinity'),
    affinityClaimTime: fields.string('affinity_claim_time'),
    allocations,
    unallocated,
    attributes,
    sequenceNumber: fields.bigint('sequenceNumber') ?? 0n,
    sequenceNumberForAllocation: readSequenceNumbers(fields, isOrdinal),
    deleted: fields.boolean('deleted') ?? false,
    unknownFields: fields.rest(),
  };
}

export function encodeBlock(block: Block): string {
  return encodeRecord(block, {
    cidr: block.cidr,
    affinity: block.affinity ?? null,
    affinity_claim_time: block.affinityClaimTime,
    allocations: block.allocations,
    unallocated: block.unallocated,
    attributes: block.attributes.map(attributeJson),
    sequenceNumber: block.sequenceNumber,
    sequenceNumberForAllocation: toJsonMap(block.sequenceNumberForAllocation),
    deleted: block.deleted,
  });
}

const isIndexBelow = (value: JsonValue, end: number): value is number =>
  typeof value === 'number' && Number.isInteger(value) && value >= 0 && value < end;

function readSequenceNumbers(
  fields: FieldReader,
  isOrdinal: (value: JsonValue) => value is number,
): ReadonlyMap<number, bigint> {
  const numbers = new Map<number, bigint>();
  for (const [key, value] of fields.map('sequenceNumberForAllocation')) {
    const path = `sequenceNumberForAllocation[${key}]`;
    const ordinal = /^[0-9]{1,5}$/.test(key) ? Number(key) : Number.NaN;
    if (!isOrdinal(ordinal)) return fields.fail(path, 'must belong to an address of the block', value);
    if (typeof value !== 'bigint' && !Number.isSafeInteger(value))
      return fields.fail(path, 'must be a whole number', value);
    numbers.set(ordinal, BigInt(value as bigint | number));
  }
  return numbers;
}

function readAttribute(fields: FieldReader): AllocationAttribute {
  return {
    handleId: fields.string('handle_id'),
    secondary: fields.strings('secondary') ?? new Map<string, string>(),
    alternateOwner: fields.strings('alternateOwnerAttrs'),
    releasedAt: fields.string('releasedAt'),
    unknownFields: fields.rest(),
  };
}

function attributeJson(attribute: AllocationAttribute): JsonObject {
  const {handleId, secondary, alternateOwner, releasedAt, unknownFields} = attribute;
  return {
    handle_id: handleId,
    secondary: secondary.size === 0 ? undefined : toJsonMap(secondary),
    alternateOwnerAttrs: alternateOwner === undefined ? undefined : toJsonMap(alternateOwner),
    releasedAt,
    ...unknownFields,
  };
}

/** An affinity's value may be empty text, which means a confirmed claim. */
export function decodeAffinity(text: string): Affinity {
  const fields = new FieldReader('block affinity', text === '' ? emptyObject() : parseJson(text));
  const state = fields.string('state') ?? '';
  const affinity: Affinity = {
    state: state === '' ? 'confirmed' : isAffinityState(state) ? state : fields.fail('state', AFFINITY_STATE_RULE),
    deleted: fields.boolean('deleted') ?? false,
    unknownFields: fields.rest(),
  };
  return faithful(affinity, text, encodeAffinity);
}

const AFFINITY_STATE_RULE = 'must be pending, confirmed or pendingDeletion';
const isAffinityState = (state: string): state is AffinityState =>
  state === 'pending' || state === 'confirmed' || state === 'pendingDeletion';

export function encodeAffinity(affinity: Affinity): string {
  return encodeRecord(affinity, {state: affinity.state, deleted: affinity.deleted});
}

export function decodeHandle(text: string): Handle {
  const fields = new FieldReader('IPAM handle', parseJson(text));
  const counts = new Map<string, number>();
  for (const [cidr, count] of fields.map('block')) {
    if (!isIndexBelow(count, 2 ** 31)) return fields.fail(`block[${cidr}]`, 'must be a count of addresses', count);
    counts.set(cidr, count);
  }
  const handle: Handle = {counts, deleted: fields.boolean('deleted') ?? false, unknownFields: fields.rest()};
  return faithful(handle, text, encodeHandle);
}

export function encodeHandle(handle: Handle): string {
  return encodeRecord(handle, {block: toJsonMap(handle.counts), deleted: handle.deleted});
}

export function decodeIpamConfig(text: string): IpamConfig {
  const fields = new FieldReader('IPAM configuration', parseJson(text));
  const persistence = fields.string('kubeVirtVMAddressPersistence');
  if (persistence !== undefined && persistence !== 'Enabled' && persistence !== 'Disabled')
    fields.fail('kubeVirtVMAddressPersistence', 'must be Enabled or Disabled');
  const config: IpamConfig = {
    strictAffinity: fields.boolean('strict_affinity') ?? false,
    autoAllocateBlocks: fields.boolean('auto_allocate_blocks') ?? false,
    maxBlocksPerHost: fields.integer('maxBlocksPerHost') ?? 0,
    kubeVirtVMAddressPersistence: persistence === 'Enabled' || persistence === 'Disabled' ? persistence : undefined,
    ipCooldownSeconds: fields.integer('ipCooldownSeconds') ?? 0,
    unknownFields: fields.rest(),
  };
  return faithful(config, text, encodeIpamConfig);
}

/** Fields are left out when false or zero. */
export function encodeIpamConfig(config: IpamConfig): string {
  return encodeRecord(config, {
    strict_affinity: config.strictAffinity || undefined,
    auto_allocate_blocks: config.autoAllocateBlocks || undefined,
    maxBlocksPerHost: config.maxBlocksPerHost || undefined,
    kubeVirtVMAddressPersistence: config.kubeVirtVMAddressPersistence,
    ipCooldownSeconds: config.ipCooldownSeconds || undefined,
  });
}

function encodeRecord(record: {readonly unknownFields?: JsonObject | undefined}, known: JsonObject): string {
  const stored = storedForm(record);
  return typeof stored === 'string' ? stored : printJson({...known, ...record.unknownFields});
}

/** The frozen record; it carries its text when printing would give another. */
function faithful<T extends object>(record: T, text: string, encode: (record: T) => string): T {
  return encode(record) === text ? Object.freeze(record) : keepStored(record, text);
}
