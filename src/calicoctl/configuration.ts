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
  kubeconfig: 'KUBECONFIG',
  kubeconfigInline: 'KUBECONFIG_INLINE',
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

/** Fields that hold a key or certificate itself; no variable does. */
const PEM_FIELDS = ['etcdKey', 'etcdCert', 'etcdCACert'] as const;

/** As they are written. */
export interface Settings {
  readonly variables: Readonly<Record<string, string | undefined>>;
  readonly pem: Partial<Record<(typeof PEM_FIELDS)[number], string>>;
}

/** The settings in force. `file` is what the person named; undefined looks at the default place. */
export async function loadStoreConfig(
  io: Pick<Io, 'environment' | 'folder' | 'defaultConfigFile'>,
  file: string | undefined,
): Promise<StoreConfig> {
  const {variables, pem} = await loadSettings(io, file);
  try {
    return parseStoreConfig(variables, pem);
  } catch (cause) {
    if (!(cause instanceof AgentError)) throw cause;
    throw noClient(cause.message, cause);
  }
}

/** The same before anybody has looked at what they say. */
export async function loadSettings(
  io: Pick<Io, 'environment' | 'folder' | 'defaultConfigFile'>,
  file: string | undefined,
): Promise<Settings> {
  const name = file ?? io.defaultConfigFile;
  const text = await readConfigFile(io, name);
  return text === undefined ? {variables: io.environment, pem: {}} : settingsOf(text, name);
}

export const noClient = (reason: string, cause?: unknown): Failure =>
  new Failure(`Failed to create Calico API client: ${reason}`, {stream: 'out', cause});

async function readConfigFile(
  {folder, defaultConfigFile}: Pick<Io, 'folder' | 'defaultConfigFile'>,
  file: string,
): Promise<string | undefined> {
  try {
    return await readFile(resolve(folder, file), 'utf8');
  } catch (cause) {
    const isMissing = cause instanceof Error && 'code' in cause && cause.code === 'ENOENT';
    if (isMissing && file === defaultConfigFile) return undefined;
    const reason = isMissing ? '' : ` (${messageOf(cause)})`;
    throw new Failure(`Error reading config file: ${file}${reason}`, {stream: 'out', cause});
  }
}

async function settingsOf(text: string, file: string): Promise<Settings> {
  const config = await parseConfig(text, file);
  const wrong = (reason: string): Failure => noClient(`syntax error in ${file}: ${reason}`);
  if (config.apiVersion !== API_VERSION)
    throw wrong(`invalid config file: unknown APIVersion '${scalarText(config.apiVersion)}'`);
  if (config.kind !== 'CalicoAPIConfig')
    throw wrong(`invalid config file: expected kind 'CalicoAPIConfig', got '${scalarText(config.kind)}'`);
  const variables: Record<string, string> = {};
  const pem: Settings['pem'] = {};
  for (const [name, value] of Object.entries(isJsonObject(config.spec) ? config.spec : {})) {
    const isSame = (known: string): boolean => known.toLowerCase() === name.toLowerCase();
    const pemField = PEM_FIELDS.find(isSame);
    const variable = Object.entries(FIELDS).find(([known]) => isSame(known))?.[1];
    if (pemField !== undefined) pem[pemField] = scalarText(value);
    else if (variable !== undefined) variables[variable] = scalarText(value);
    else throw wrong(unknownField(name));
  }
  return {variables, pem};
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
