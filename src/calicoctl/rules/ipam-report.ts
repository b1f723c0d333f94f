/**
 * The report that `ipam check -o` writes and `ipam release --from-report` reads: what nobody uses, with handle and
 * sequence number, so that an address that was given to somebody else since is not taken from him.
 */

import {messageOf} from '../../lib/errors.ts';
import {emptyObject, isJsonObject, type JsonObject, type JsonValue, parseJson} from '../../lib/exact-json.ts';
import {ClusterInformation} from '../../model/kinds/cluster-information.ts';
import {CALICO_VERSION} from '../../model/version.ts';
import {Failure} from '../failure.ts';
import {printIndentedJson} from '../output/json-text.ts';
import {scalarText} from '../scalar-text.ts';
import type {Session} from '../session.ts';
import type {AllocatedAddress, Inspection} from './ipam-inspection.ts';

/** Under what circumstances a report was made. */
export interface Circumstances {
  readonly version: string;
  readonly clusterGUID: string;
  readonly datastoreLocked: boolean;
  readonly clusterInformationRevision: string;
}

export interface ReportedAddress {
  readonly ip: string;
  readonly handleId: string | undefined;
  readonly sequenceNumber: bigint;
}

export interface Report {
  readonly file: string;
  readonly circumstances: Circumstances;
  readonly leaked: readonly ReportedAddress[];
}

export async function readCircumstances({resources, call}: Session): Promise<Circumstances> {
  const cluster = await resources.get(ClusterInformation, {name: 'default'}, call);
  return {
    version: CALICO_VERSION,
    clusterGUID: cluster?.spec.clusterGUID ?? '',
    datastoreLocked: cluster?.spec.datastoreReady === false,
    clusterInformationRevision: cluster?.metadata.resourceVersion ?? '',
  };
}

export async function printReport(session: Session, {allocated, findings}: Inspection): Promise<string> {
  const leaked = new Set(findings.filter(({kind}) => kind === 'leaked').map(({subject}) => subject));
  const allocations = emptyObject<JsonValue>();
  for (const [ip, all] of Map.groupBy(allocated, (address) => address.ip))
    allocations[ip] = all.map((address) => allocationJson(address, !leaked.has(ip)));
  const leakedHandles = findings.filter(({kind}) => kind === 'handle-without-addresses').map(({subject}) => subject);
  return printIndentedJson({...(await readCircumstances(session)), allocations, leakedHandles});
}

const allocationJson = ({ip, handleId, sequenceNumber, facts}: AllocatedAddress, inUse: boolean): JsonObject => ({
  ip,
  handle: handleId,
  sequenceNumber,
  node: facts.get('node'),
  pod: facts.get('pod'),
  namespace: facts.get('namespace'),
  inUse,
});

/** Throws a Failure for what is no report. */
export function parseReport(file: string, text: string): Report {
  const value = parsed(file, text);
  const {version, clusterGUID, datastoreLocked, clusterInformationRevision, allocations} = value;
  if (!isJsonObject(allocations)) throw new Failure(`${file} is not a report of "calicoctl ipam check"`);
  return {
    file,
    circumstances: {
      version: scalarText(version),
      clusterGUID: scalarText(clusterGUID),
      datastoreLocked: datastoreLocked === true,
      clusterInformationRevision: scalarText(clusterInformationRevision),
    },
    leaked: Object.values(allocations).flatMap((all) => (Array.isArray(all) ? all.flatMap(leakedAddress) : [])),
  };
}

function parsed(file: string, text: string): JsonObject {
  try {
    const value = parseJson(text);
    if (isJsonObject(value)) return value;
  } catch (cause) {
    throw new Failure(`${file} is not a report of "calicoctl ipam check": ${messageOf(cause)}`, {cause});
  }
  throw new Failure(`${file} is not a report of "calicoctl ipam check"`);
}

function leakedAddress(value: JsonValue): readonly ReportedAddress[] {
  if (!isJsonObject(value) || value.inUse !== false) return [];
  const {ip, handle, sequenceNumber} = value;
  const isNumber = typeof sequenceNumber === 'number' || typeof sequenceNumber === 'bigint';
  if (typeof ip !== 'string' || !isNumber) return [];
  return [{ip, handleId: typeof handle === 'string' ? handle : undefined, sequenceNumber: BigInt(sequenceNumber)}];
}
