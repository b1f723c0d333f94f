/**
 * Which datastore: from the environment, or from a file in its place. A file that is used replaces the environment
 * altogether, as in Calico.
 */
import {readFile} from 'node:fs/promises';
import {resolve} from 'node:path';
import {parseStoreConfig, type StoreConfig} from '../datastore/open-store.ts';
import {AgentError, messageOf} from '../lib/errors.ts';
import {isJsonObject, type JsonObject, type JsonValue} from '../lib/exact-json.ts';
import {API_VERSION} from '../model/resource.ts';
import {Failure} from './failure.ts';
import type {Io} from './io.ts';
import {scalarText} from './scalar-text.ts';

export const DEFAULT_CONFIG_FILE = '/etc/calico/calicoctl.cfg';

/** Fields of the file -> the variable that says the same. `store` is ours. */
const FIELDS: Readonly<Record<string, string>> = {
  datastoreType: 'DATASTORE_TYPE',
  store: 'CALICO_STORE',
  etcdEndpoints: 'ETCD_ENDPOINTS',
  etcdDiscoverySrv: 'ETCD_DISCOVERY_SRV',
  etcdUsername: 'ETCD_USERNAME',
  etcdPassword: 'ETCD_PASSWORD',
  etcdKeyFile: 'ETCD_KEY_FILE',
  etcdCertFile: 'ETCD_CERT_FILE',
  etcdCACertFile: 'ETCD_CA_CERT_FILE',
  etcdKey: '',
  etcdCert: '',
  etcdCACert: '',
  kubeconfig: 'KUBECONFIG',
  kubeconfigInline: '',
  k8sAPIEndpoint: 'K8S_API_ENDPOINT',
  k8sKeyFile: 'K8S_KEY_FILE',
  k8sCertFile: 'K8S_CERT_FILE',
  k8sCAFile: 'K8S_CA_FILE',
  k8sAPIToken: 'K8S_API_TOKEN',
  k8sInsecureSkipTLSVerify: 'K8S_INSECURE_SKIP_TLS_VERIFY',
  k8sClientQPS: 'K8S_CLIENT_QPS',
  k8sClientBurst: 'K8S_CLIENT_BURST',
  k8sCurrentContext: 'K8S_CURRENT_CONTEXT',
  usePodCIDR: 'USE_POD_CIDR',
  calicoAPIGroup: 'CALICO_API_GROUP',
};

/** The settings in force. `file` is what the person named; undefined looks at the default place. */
export async function loadStoreConfig(
  io: Pick<Io, 'environment' | 'folder'>,
  file: string | undefined,
): Promise<StoreConfig> {
  const text = await readConfigFile(io.folder, file);
  const settings = text === undefined ? io.environment : await settingsOf(text, file ?? DEFAULT_CONFIG_FILE);
  try {
    return parseStoreConfig(settings);
  } catch (cause) {
    if (!(cause instanceof AgentError)) throw cause;
    throw noClient(cause.message, cause);
  }
}

export const noClient = (reason: string, cause?: unknown): Failure =>
  new Failure(`Failed to create Calico API client: ${reason}`, {stream: 'out', cause});

async function readConfigFile(folder: string, file: string | undefined): Promise<string | undefined> {
  try {
    return await readFile(resolve(folder, file ?? DEFAULT_CONFIG_FILE), 'utf8');
  } catch (cause) {
    const isMissing = cause instanceof Error && 'code' in cause && cause.code === 'ENOENT';
    if (file === undefined && isMissing) return undefined;
    const reason = isMissing ? '' : ` (${messageOf(cause)})`;
    throw noClient(`Error reading config file: ${file ?? DEFAULT_CONFIG_FILE}${reason}`, cause);
  }
}

async function settingsOf(text: string, file: string): Promise<Readonly<Record<string, string>>> {
  const config = await parseConfig(text, file);
  const wrong = (reason: string): Failure => noClient(`syntax error in ${file}: ${reason}`);
  if (config.apiVersion !== API_VERSION)
    throw wrong(`invalid config file: unknown APIVersion '${scalarText(config.apiVersion)}'`);
  if (config.kind !== 'CalicoAPIConfig')
    throw wrong(`invalid config file: expected kind 'CalicoAPIConfig', got '${scalarText(config.kind)}'`);
  const settings: Record<string, string> = {};
  for (const [name, value] of Object.entries(isJsonObject(config.spec) ? config.spec : {})) {
    const field = Object.keys(FIELDS).find((known) => known.toLowerCase() === name.toLowerCase());
    if (field === undefined) throw wrong(unknownField(name));
    const variable = FIELDS[field];
    if (variable !== undefined && variable !== '') settings[variable] = scalarText(value);
  }
  return settings;
}

async function parseConfig(text: string, file: string): Promise<JsonObject> {
  const {readYaml} = await import('./input/yaml-reader.ts');
  const wrong = (reason: string, cause?: unknown): Failure =>
    noClient(`syntax error in ${file}: failed to parse config as YAML/JSON: ${reason}`, cause);
  let value: JsonValue | undefined;
  try {
    value = readYaml(text);
  } catch (cause) {
    throw wrong(`error converting YAML to JSON: yaml: ${messageOf(cause)}`, cause);
  }
  if (!isJsonObject(value)) throw wrong('the file must hold one object');
  const unknown = Object.keys(value).find((name) => !['apiVersion', 'kind', 'metadata', 'spec'].includes(name));
  if (unknown !== undefined) throw noClient(`syntax error in ${file}: ${unknownField(unknown)}`);
  return value;
}

const unknownField = (name: string): string =>
  `failed to parse config as YAML/JSON: error unmarshaling JSON: while decoding JSON: json: unknown field ${JSON.stringify(name)}`;
