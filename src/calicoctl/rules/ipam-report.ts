/**
 * The report that `ipam check -o` writes and `ipam release --from-report` reads: what nobody uses, with handle and
 * sequence number, so that an address that was given to somebody else since is not taken from him.
 */

import {holderOf} from '../../ipam/holder.ts';
import {compareBytes} from '../../lib/byte-order.ts';
import {messageOf} from '../../lib/errors.ts';
import {emptyObject, isJsonObject, type JsonObject, type JsonValue, parseJson} from '../../lib/exact-json.ts';
import {ClusterInformation} from '../../model/kinds/cluster-information.ts';
import {CALICO_VERSION} from '../../model/version.ts';
import {Failure} from '../failure.ts';
import {printIndentedJson} from '../output/json-text.ts';
import {scalarText} from '../scalar-text.ts';
import type {Session} from '../session.ts';
import type {AllocatedAddress, Inspection, IpamState} from './ipam-inspection.ts';

/** An address is some 300 characters of it. */
const MOST_CHARACTERS = 256 * 1024 * 1024;

/** Under what circumstances a report was made. */
export interface Circumstances {
  readonly version: string;
  readonly clusterGUID: string;
  readonly datastoreLocked: boolean;
  readonly clusterInformationRevision: string;
  readonly clusterType: string;
}

export interface ReportedAddress {
  readonly ip: string;
  readonly handleId: string | undefined;
  readonly sequenceNumber: bigint;
}

/** A handle without addresses, as it was when the report was made. */
export interface ReportedHandle {
  readonly id: string;
  readonly revision: string;
}

export interface Report {
  readonly file: string;
  readonly circumstances: Circumstances;
  readonly leaked: readonly ReportedAddress[];
  readonly leakedHandles: readonly ReportedHandle[];
}

export async function readCircumstances({resources, call}: Session): Promise<Circumstances> {
  const cluster = await resources.get(ClusterInformation, {name: 'default'}, call);
  return {
    version: CALICO_VERSION,
    clusterGUID: cluster?.spec.clusterGUID ?? '',
    datastoreLocked: cluster?.spec.datastoreReady === false,
    clusterInformationRevision: cluster?.metadata.resourceVersion ?? '',
    clusterType: cluster?.spec.clusterType ?? '',
  };
}

/** In Calico's form: its calicoctl of the same release takes it too. */
export async function printReport(session: Session, state: IpamState, inspection: Inspection): Promise<string> {
  const {allocated, users, leakedHandles, findings} = inspection;
  const leaked = new Set(findings.filter(({kind}) => kind === 'leaked').map(({subject}) => subject));
  const byAddress = [...Map.groupBy(allocated, ({ip}) => ip)].sort(([a], [b]) => compareBytes(a, b));
  const allocations = emptyObject<JsonValue>();
  for (const [ip, all] of byAddress)
    allocations[ip] = all.map((address) => allocationJson(address, !leaked.has(ip), users.get(ip) ?? null));
  const handles = leakedHandles.map((id) => ({ID: id, UID: null, Revision: state.handles.get(id)?.revision ?? ''}));
  return printIndentedJson({
    ...(await readCircumstances(session)),
    allocations,
    leakedHandles: handles.length === 0 ? undefined : handles,
  });
}

function allocationJson(
  {ip, block, handleId, sequenceNumber, facts}: AllocatedAddress,
  inUse: boolean,
  owners: readonly string[] | null,
): JsonObject {
  const holder = holderOf(block.affinity);
  const owner = holder?.type === 'host' ? holder.host : '';
  const node = facts.get('node') || owner;
  return {
    ip,
    handle: handleId,
    sequenceNumber,
    pod: facts.get('pod'),
    namespace: facts.get('namespace'),
    node: node || undefined,
    type: facts.get('type'),
    creationTimestamp: facts.get('timestamp'),
    inUse,
    borrowed: node !== owner || undefined,
    owners,
  };
}

/** Throws a Failure for what is no report. */
export function parseReport(file: string, text: string): Report {
  const value = parsed(file, text);
  const {version, clusterGUID, datastoreLocked, clusterInformationRevision, clusterType} = value;
  const {allocations, leakedHandles} = value;
  if (!isJsonObject(allocations)) throw new Failure(`${file} is not a report of "calicoctl ipam check"`);
  return {
    file,
    circumstances: {
      version: scalarText(version),
      clusterGUID: scalarText(clusterGUID),
      datastoreLocked: datastoreLocked === true,
      clusterInformationRevision: scalarText(clusterInformationRevision),
      clusterType: scalarText(clusterType),
    },
    leaked: Object.values(allocations).flatMap((all) => (Array.isArray(all) ? all.flatMap(leakedAddress) : [])),
    leakedHandles: Array.isArray(leakedHandles) ? leakedHandles.flatMap(leakedHandle) : [],
  };
}

function parsed(file: string, text: string): JsonObject {
  try {
    const value = parseJson(text, {maxLength: MOST_CHARACTERS});
    if (isJsonObject(value)) return value;
  } catch (cause) {
    throw new Failure(`${file} is not a report of "calicoctl ipam check": ${messageOf(cause)}`, {cause});
  }
  throw new Failure(`${file} is not a report of "calicoctl ipam check"`);
}

function leakedAddress(value: JsonValue): readonly ReportedAddress[] {
  if (!isJsonObject(value) || value.inUse !== false || value.coolingDown === true) return [];
  const {ip, handle, sequenceNumber} = value;
  const isNumber = typeof sequenceNumber === 'number' || typeof sequenceNumber === 'bigint';
  if (typeof ip !== 'string' || !isNumber) return [];
  return [{ip, handleId: typeof handle === 'string' ? handle : undefined, sequenceNumber: BigInt(sequenceNumber)}];
}

/** One without a revision cannot be told from one that was used since. */
function leakedHandle(value: JsonValue): readonly ReportedHandle[] {
  if (!isJsonObject(value)) return [];
  const {ID: id, Revision: revision} = value;
  return typeof id === 'string' && typeof revision === 'string' && revision !== '' ? [{id, revision}] : [];
}
