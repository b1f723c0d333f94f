/**
 * The settings of etcd, as Calico has them: endpoints or a domain to discover them in, a user with password, and keys and
 * certificates in files or (in a file of calicoctl) inline. What cannot be right is refused here by the name of the
 * setting, before anything is contacted. A password or key is never part of a message.
 */
import {AgentError} from '../../lib/errors.ts';
import {Secret} from '../../lib/secret.ts';

/** The settings as they are written, whatever they were written in. Empty counts as absent. */
export interface EtcdInput {
  /** Comma separated. */
  readonly endpoints?: string | undefined;
  readonly discoverySrv?: string | undefined;
  readonly username?: string | undefined;
  readonly password?: string | undefined;
  readonly keyFile?: string | undefined;
  readonly certFile?: string | undefined;
  readonly caFile?: string | undefined;
  readonly key?: string | undefined;
  readonly cert?: string | undefined;
  readonly ca?: string | undefined;
}

export interface Endpoint {
  readonly host: string;
  readonly port: number;
  readonly isTls: boolean;
}

/** PEM material: where it is, so that a rotated file is read again, or the text itself. */
export type PemSource =
  | {readonly kind: 'file'; readonly name: string; readonly path: string}
  | {readonly kind: 'inline'; readonly name: string; readonly text: Secret};

export interface TlsSettings {
  readonly key: PemSource | undefined;
  readonly cert: PemSource | undefined;
  /** The authorities of the system when absent. */
  readonly ca: PemSource | undefined;
}

export interface EtcdSettings {
  readonly endpoints: readonly Endpoint[] | {readonly discoverySrv: string};
  readonly user: {readonly name: string; readonly password: Secret} | undefined;
  readonly tls: TlsSettings;
}

/**
 * Their names in an environment. Keys and certificates themselves have none there, because too many can read one: as in
 * Calico they are in files, or in a file of calicoctl, by these names.
 */
const NAMES = {
  endpoints: 'ETCD_ENDPOINTS',
  discoverySrv: 'ETCD_DISCOVERY_SRV',
  username: 'ETCD_USERNAME',
  password: 'ETCD_PASSWORD',
  keyFile: 'ETCD_KEY_FILE',
  certFile: 'ETCD_CERT_FILE',
  caFile: 'ETCD_CA_CERT_FILE',
  key: 'etcdKey',
  cert: 'etcdCert',
  ca: 'etcdCACert',
} as const satisfies Record<keyof EtcdInput, string>;

/** Keys and certificates that a file of calicoctl holds themselves, by their names there. */
export type InlinePem = Partial<Readonly<Record<'etcdKey' | 'etcdCert' | 'etcdCACert', string>>>;

/** The settings of an environment. */
export function readEtcdSettings(read: (name: string) => string | undefined, pem: InlinePem = {}): EtcdSettings {
  const input = Object.fromEntries(Object.entries(NAMES).map(([field, name]) => [field, read(name)]));
  return parseEtcdSettings({...input, key: pem.etcdKey, cert: pem.etcdCert, ca: pem.etcdCACert});
}

const DEFAULT_PORT = 2379;

/** Reads the settings; E_BAD_CONFIG names the one that is wrong. */
export function parseEtcdSettings(written: EtcdInput): EtcdSettings {
  const input = tidy(written);
  const tls = parseTls(input);
  const hasTls = tls.key !== undefined || tls.ca !== undefined;
  const {username, password} = input;
  return {
    endpoints: parseEndpoints(input, hasTls),
    user:
      username === undefined || password === undefined ? undefined : {name: username, password: new Secret(password)},
    tls,
  };
}

function parseEndpoints(input: EtcdInput, hasTls: boolean): EtcdSettings['endpoints'] {
  const {endpoints, discoverySrv} = input;
  if (endpoints !== undefined && discoverySrv !== undefined) {
    throw bad(NAMES.discoverySrv, discoverySrv, `cannot be used together with ${NAMES.endpoints}: unset one of them`);
  }
  if (discoverySrv !== undefined) return {discoverySrv: parseDomain(discoverySrv)};
  const texts = (endpoints ?? '').split(',').flatMap((text) => text.trim() || []);
  if (texts.length === 0) {
    throw bad(NAMES.endpoints, endpoints, `must name etcd, for example https://10.0.0.1:${DEFAULT_PORT}`);
  }
  return texts.map((text) => parseEndpoint(text, hasTls));
}

/** `http://host:port`, `https://host:port`, or `host:port`, which uses TLS when there are keys for it. */
function parseEndpoint(text: string, hasTls: boolean): Endpoint {
  // A password in a URL would end up in logs.
  if (text.includes('@')) throw bad(NAMES.endpoints, '', 'must not contain a user');
  const refuse = () => bad(NAMES.endpoints, text, 'must be http://HOST:PORT or https://HOST:PORT');
  const hasScheme = text.includes('://');
  const url = URL.parse(hasScheme ? text : `${hasTls ? 'https' : 'http'}://${text}`);
  if (url === null || !/^https?:$/.test(url.protocol) || url.hostname === '') throw refuse();
  if (url.pathname !== '/' || url.search !== '' || url.hash !== '') throw refuse();
  return {
    host: url.hostname.replace(/^\[|\]$/g, ''),
    port: portOf(text, url),
    isTls: url.protocol === 'https:',
  };
}

/** URL drops the default port of the scheme, which is not etcd's. */
function portOf(text: string, url: URL): number {
  if (url.port !== '') return Number(url.port);
  const written = /:(\d+)\/?$/.exec(text)?.[1];
  return written === undefined ? DEFAULT_PORT : Number(written);
}

function parseDomain(domain: string): string {
  if (/^(?=.{1,253}\.?$)[A-Za-z0-9_-]{1,63}(\.[A-Za-z0-9_-]{1,63})*\.?$/.test(domain)) return domain;
  throw bad(NAMES.discoverySrv, domain, 'must be a domain name');
}

function parseTls(input: EtcdInput): TlsSettings {
  const files = {key: input.keyFile, cert: input.certFile, ca: input.caFile};
  const inline = {key: input.key, cert: input.cert, ca: input.ca};
  const usesFiles = Object.values(files).some((path) => path !== undefined);
  const usesInline = Object.values(inline).some((text) => text !== undefined);
  if (usesFiles && usesInline) {
    throw bad(NAMES.key, '', `and ${NAMES.keyFile} cannot be mixed: give keys and certificates as files or inline`);
  }
  const file = (name: string, path: string | undefined): PemSource | undefined => {
    if (path?.includes('\0')) throw bad(name, path, 'must be a path');
    return path === undefined ? undefined : {kind: 'file', name, path};
  };
  const text = (name: string, pem: string | undefined): PemSource | undefined =>
    pem === undefined ? undefined : {kind: 'inline', name, text: new Secret(pem)};
  const tls = usesInline
    ? {key: text(NAMES.key, inline.key), cert: text(NAMES.cert, inline.cert), ca: text(NAMES.ca, inline.ca)}
    : {
        key: file(NAMES.keyFile, files.key),
        cert: file(NAMES.certFile, files.cert),
        ca: file(NAMES.caFile, files.ca),
      };
  if ((tls.key === undefined) !== (tls.cert === undefined)) {
    const [there, missing] = usesInline ? [NAMES.key, NAMES.cert] : [NAMES.keyFile, NAMES.certFile];
    throw bad(
      tls.key === undefined ? missing : there,
      '',
      `needs ${tls.key === undefined ? there : missing} beside it`,
    );
  }
  return tls;
}

/** Without what is empty, and without the white space around all but a password, which may have it. */
function tidy({password, ...others}: EtcdInput): EtcdInput {
  const texts = Object.entries(others).map(([field, text]) => [field, text?.trim() || undefined]);
  return {...Object.fromEntries(texts), password: password?.trim() === '' ? undefined : password};
}

function bad(setting: string, value: string | undefined, rule: string): AgentError {
  const shown = value === undefined || value === '' ? setting : `${setting} is ${JSON.stringify(value)}: it`;
  return new AgentError('E_BAD_CONFIG', `${shown} ${rule}`, {setting});
}
