/**
 * The edge of calculation: keys and stored text become facts (inputs.ts), or nothing.
 *
 * An object that cannot be read, or breaks a rule that matters here, counts as absent: no stage ever sees half of one.
 * It is named in one log line when it becomes invalid and in one when it is well again, and counted meanwhile. Reading
 * in the model is lenient (a newer Calico may know values we do not), so every value that is used here is parsed here.
 *
 * Endpoints of other nodes are not even read: the node is the first part of an endpoint's name. Nor are those that the
 * CNI server has just written: they come back by the watch, and what they say is known.
 */
import {requireCidr} from '../../lib/cidr.ts';
import {codeOf, messageOf} from '../../lib/errors.ts';
import type {Logger} from '../../lib/log.ts';
import {readBlock} from '../../model/ipam-records.ts';
import {type ParsedKey, parseKey, type ResourceKey} from '../../model/keys.ts';
import {ClusterInformation} from '../../model/kinds/cluster-information.ts';
import {FelixConfiguration} from '../../model/kinds/felix-configuration.ts';
import {IPPool} from '../../model/kinds/ip-pool.ts';
import {Node} from '../../model/kinds/node.ts';
import {WorkloadEndpoint} from '../../model/kinds/workload-endpoint.ts';
import {parseWorkloadEndpointName} from '../../model/names.ts';
import {invalidResource, violation} from '../../model/violation.ts';
import {blockInput, clusterInformationInput, felixConfigurationInput, nodeInput, poolInput} from './facts.ts';
import type {Input} from './inputs.ts';
import type {EndpointId, WorkloadEndpointIntent} from './intent.ts';
import type {Revision, Update} from './update.ts';
import {workloadIntent} from './workload-intent.ts';

export interface UpdateDecoderDependencies {
  readonly log: Logger;
  /** The endpoint we wrote ourselves, when the datastore took it as that revision. */
  readonly written: (id: EndpointId, revision: Revision) => WorkloadEndpointIntent | undefined;
}

export class UpdateDecoder {
  readonly #nodeName: string;
  /** Names of this node's endpoints begin with this, and go on with something other than a dash. */
  readonly #namePrefix: string;
  readonly #log: Logger;
  readonly #written: UpdateDecoderDependencies['written'];
  readonly #invalid = new Map<string, string>();

  constructor(options: {readonly nodeName: string}, dependencies: UpdateDecoderDependencies) {
    this.#nodeName = options.nodeName;
    this.#namePrefix = `${options.nodeName.replaceAll('-', '--')}-`;
    this.#log = dependencies.log;
    this.#written = dependencies.written;
  }

  /** Objects that are there now and count as absent. */
  get invalidObjects(): number {
    return this.#invalid.size;
  }

  /** What the update says, or undefined when it is nothing to calculation. */
  decode(key: ParsedKey, update: Update): Input | undefined {
    const {revision, value} = update;
    const read = <T>(decode: (text: string) => T): T | undefined => this.#read(update.key, value, decode);
    if (key.kind === 'resource') return this.#decodeResource(key, {text: update.key, revision}, read);
    if (key.kind !== 'block') return undefined;
    return {kind: 'block', cidr: requireCidr(key.cidr), value: read((text) => blockInput(key, readBlock(text)))};
  }

  /** Id and intent of an endpoint of this node that is being written under `key`. Throws E_INVALID_RESOURCE. */
  localEndpoint(key: string, endpoint: WorkloadEndpoint): {id: EndpointId; value: WorkloadEndpointIntent} {
    const id = this.localEndpointId(key);
    return {id, value: workloadIntent(id, this.#nodeName, endpoint)};
  }

  /** Throws E_INVALID_RESOURCE when `key` is not that of an endpoint of this node. */
  localEndpointId(key: string): EndpointId {
    const parsed = parseKey(key);
    const id = parsed?.kind === 'resource' ? this.#endpointIdOf(parsed) : undefined;
    if (id !== undefined) return id;
    throw invalidResource('WorkloadEndpoint', [
      violation('', key, `must be the key of an endpoint of ${this.#nodeName}`),
    ]);
  }

  #decodeResource(
    key: ResourceKey,
    {revision, text}: {readonly text: string; readonly revision: Revision},
    read: <T>(decode: (stored: string) => T) => T | undefined,
  ): Input | undefined {
    const {name} = key;
    switch (key.plural) {
      case IPPool.plural:
        return {kind: 'pool', name, value: read((stored) => poolInput(IPPool.decode(stored, text)))};
      case Node.plural:
        return {kind: 'node', name, value: read((stored) => nodeInput(Node.decode(stored, text)))};
      case WorkloadEndpoint.plural: {
        const id = this.#endpointIdOf(key);
        if (id === undefined) return undefined;
        const decode = (stored: string) => workloadIntent(id, this.#nodeName, WorkloadEndpoint.decode(stored, text));
        const value = read((stored) => this.#written(id, revision) ?? decode(stored));
        return {kind: 'workload-endpoint', id, value};
      }
      case FelixConfiguration.plural: {
        const value = read((stored) => felixConfigurationInput(FelixConfiguration.decode(stored, text)));
        return {kind: 'felix-configuration', name, value};
      }
      case ClusterInformation.plural: {
        if (name !== 'default') return undefined;
        const value = read((stored) => clusterInformationInput(ClusterInformation.decode(stored, text)));
        return {kind: 'cluster-information', value};
      }
      default:
        return undefined;
    }
  }

  /** `orchestrator/namespace/workload/endpoint`; undefined for an endpoint of another node. */
  #endpointIdOf({plural, namespace, name}: ResourceKey): EndpointId | undefined {
    if (plural !== WorkloadEndpoint.plural || namespace === undefined) return undefined;
    if (!name.startsWith(this.#namePrefix) || name.charAt(this.#namePrefix.length) === '-') return undefined;
    const parts = parseWorkloadEndpointName(name);
    return parts && `${parts.orchestrator}/${namespace}/${parts.workload}/${parts.endpoint}`;
  }

  #read<T>(key: string, value: string | undefined, decode: (text: string) => T): T | undefined {
    let decoded: T | undefined;
    let complaint: string | undefined;
    try {
      if (value !== undefined) decoded = decode(value);
    } catch (error) {
      // What somebody wrote is wrong: expected. Anything else is a defect of ours.
      if (codeOf(error) === undefined) throw error;
      complaint = messageOf(error);
    }
    const before = this.#invalid.get(key);
    if (complaint !== undefined) {
      this.#invalid.set(key, complaint);
      if (complaint !== before) this.#log.warn({key, reason: complaint}, 'invalid object counts as absent');
    } else if (before !== undefined) {
      this.#invalid.delete(key);
      this.#log.info({key}, 'object is no longer invalid');
    }
    return decoded;
  }
}
