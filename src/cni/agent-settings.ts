/**
 * What a network configuration says about things that are the agent's to decide: node, datastore, files, addresses to
 * ask. A node's configuration file may be years older than its agent; so what differs is named in the log once, and the
 * agent goes its own way. Only what would be wrong to go on with is refused: another node's name, a data plane or
 * datastore that does not exist.
 *
 * Nothing here is opened, contacted or executed.
 */
import {AgentError} from '../lib/errors.ts';
import {isJsonObject, type JsonObject, type JsonValue} from '../lib/exact-json.ts';
import type {Logger} from '../lib/log.ts';

export interface AgentSettingsOptions {
  readonly nodeName: string;
  /** As DATASTORE_TYPE has it. */
  readonly datastoreType: string;
}

/** What the agent itself uses; a configuration that says the same is not worth a word. */
const OWN_FILES: Readonly<Record<string, string>> = {
  nodename_file: '/var/lib/calico/nodename',
  ipam_lock_file: '/var/run/calico/ipam.lock',
  endpoint_status_dir: '/var/run/calico/endpoint-status',
};
/** Settings that the agent replaces by its own. */
const IGNORED = [
  'log_file_path',
  'hostname',
  'etcd_endpoints',
  'etcd_discovery_srv',
  'etcd_authority',
  'etcd_key_file',
  'etcd_cert_file',
  'etcd_ca_cert_file',
  'device_type',
];
/** Never ignored quietly: they name an address to contact or credentials. */
const IGNORED_IN_POLICY = ['k8s_api_root', 'k8s_auth_token', 'k8s_client_certificate', 'k8s_client_key'];
const DATASTORES: ReadonlySet<string> = new Set(['kubernetes', 'etcdv3', 'embedded']);
const DATA_PLANES: ReadonlySet<string> = new Set(['', 'linux']);
const MOST_WARNINGS = 1000;

export class AgentSettings {
  readonly #options: AgentSettingsOptions;
  readonly #log: Logger;
  readonly #warned = new Set<string>();

  constructor(options: AgentSettingsOptions, dependencies: {readonly log: Logger}) {
    this.#options = options;
    this.#log = dependencies.log;
  }

  /** Throws E_CNI_BAD_FIELD for what must not be ignored; logs the rest, each once. */
  compare(network: string, json: JsonObject, options: {readonly isAdd: boolean}): void {
    const text = (object: JsonObject, key: string): string => {
      const value = object[key];
      return typeof value === 'string' ? value : '';
    };
    const nodeName = text(json, 'nodename');
    if (nodeName !== '' && nodeName !== this.#options.nodeName)
      throw refused('nodename', `names the node ${quoted(nodeName)}; this is ${this.#options.nodeName}`);
    const datastore = text(json, 'datastore_type');
    if (datastore !== '' && !DATASTORES.has(datastore))
      throw refused('datastore_type', `unknown datastore type: ${quoted(datastore)}`);
    const dataPlane = text(objectOf(json.dataplane_options), 'type');
    if (!DATA_PLANES.has(dataPlane)) throw refused('dataplane_options', `invalid dataplane type: ${quoted(dataPlane)}`);
    // Gates are about new pods.
    if (options.isAdd) this.#compareGates(network, json.readiness_gates);

    if (datastore !== '' && datastore !== this.#options.datastoreType) this.#warn(network, 'datastore_type');
    for (const [field, own] of Object.entries(OWN_FILES)) {
      const value = text(json, field);
      if (value !== '' && value !== own) this.#warn(network, field);
    }
    for (const field of IGNORED) if (text(json, field) !== '') this.#warn(network, field);
    for (const field of IGNORED_IN_POLICY)
      if (text(objectOf(json.policy), field) !== '') this.#warn(network, `policy.${field}`);
    for (const field of ['kubeconfig', 'k8s_api_root'])
      if (text(objectOf(json.kubernetes), field) !== '') this.#warn(network, `kubernetes.${field}`);
  }

  #compareGates(network: string, value: JsonValue | undefined): void {
    if (!Array.isArray(value) || value.length === 0) return;
    for (const gate of value as readonly JsonValue[])
      if (typeof gate !== 'string' || !URL.canParse(gate))
        throw refused(
          'readiness_gates',
          `invalid URL set for ReadinessGates: ${quoted(typeof gate === 'string' ? gate : 'not a text')}`,
        );
    this.#warn(network, 'readiness_gates');
  }

  #warn(network: string, field: string): void {
    const id = `${network} ${field}`;
    if (this.#warned.has(id) || this.#warned.size >= MOST_WARNINGS) return;
    this.#warned.add(id);
    this.#log.warn({network, field}, 'setting of the network configuration ignored: the agent has its own');
  }
}

const objectOf = (value: JsonValue | undefined): JsonObject => (isJsonObject(value) ? value : {});
const quoted = (text: string): string => JSON.stringify(text.slice(0, 64));
const refused = (field: string, problem: string): AgentError =>
  new AgentError('E_CNI_BAD_FIELD', `${field} of the network configuration is refused: ${problem}`, {field});
