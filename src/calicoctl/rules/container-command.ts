/** The command line that starts a node's container: pure, of what was asked for and where etcd is. */

export interface ContainerOptions {
  readonly name: string;
  readonly backend: string;
  readonly image: string;
  readonly logFolder: string;
  readonly felixConfig: string | undefined;
  readonly isForInitSystem: boolean;
  readonly noDefaultPools: boolean;
  readonly autodetection4: string;
  readonly autodetection6: string;
  readonly asNumber: number | undefined;
  readonly ip4: string | undefined;
  readonly ip6: string | undefined;
  readonly etcd: EtcdAccess;
}

/** As the settings have it. */
export interface EtcdAccess {
  readonly endpoints: string;
  readonly discoverySrv: string;
  readonly caFile: string | undefined;
  readonly keyFile: string | undefined;
  readonly certFile: string | undefined;
  /** User and password are handed over by the names of their variables: a command line is readable to all. */
  readonly hasUser: boolean;
}

export const CONTAINER = 'calico-node';
export const FIRST_FOUND = 'first-found';
const FILES = {
  felix: '/etc/calico/felix.cfg',
  ca: '/etc/calico/certs/ca_cert.crt',
  key: '/etc/calico/certs/key.pem',
  cert: '/etc/calico/certs/cert.crt',
};

/** Arguments of the engine. */
export function containerArguments(options: ContainerOptions): readonly string[] {
  return [
    'run',
    '--net=host',
    '--privileged',
    `--name=${CONTAINER}`,
    // An init system waits for it and starts it again itself.
    ...(options.isForInitSystem ? ['--rm'] : ['-d', '--restart=always']),
    ...variables(options).flatMap(([name, value]) => ['-e', `${name}=${value}`]),
    ...(options.etcd.hasUser ? ['-e', 'ETCD_USERNAME', '-e', 'ETCD_PASSWORD'] : []),
    ...volumes(options).flatMap(([host, container]) => ['-v', `${host}:${container}`]),
    options.image,
  ];
}

function variables(options: ContainerOptions): readonly (readonly [name: string, value: string])[] {
  const {etcd, autodetection4, autodetection6, asNumber, ip4, ip6} = options;
  const all: readonly (readonly [string, string | undefined])[] = [
    ['NODENAME', options.name],
    ['CALICO_NETWORKING_BACKEND', options.backend],
    ['CALICO_MANAGE_CNI', 'false'],
    ['NO_DEFAULT_POOLS', options.noDefaultPools ? 'true' : undefined],
    ['IP_AUTODETECTION_METHOD', autodetection4 === FIRST_FOUND ? undefined : autodetection4],
    ['IP6_AUTODETECTION_METHOD', autodetection6 === FIRST_FOUND ? undefined : autodetection6],
    ['AS', asNumber === undefined ? undefined : String(asNumber)],
    ['IP', ip4],
    ['IP6', ip6],
    ['ETCD_ENDPOINTS', etcd.endpoints],
    ['ETCD_DISCOVERY_SRV', etcd.discoverySrv],
    ['ETCD_CA_CERT_FILE', etcd.caFile && FILES.ca],
    ['ETCD_KEY_FILE', hasKey(etcd) ? FILES.key : undefined],
    ['ETCD_CERT_FILE', hasKey(etcd) ? FILES.cert : undefined],
  ];
  return all.flatMap(([name, value]) => (value === undefined ? [] : [[name, value] as const]));
}

const hasKey = ({keyFile, certFile}: EtcdAccess): boolean => keyFile !== undefined && certFile !== undefined;

function volumes({logFolder, felixConfig, etcd}: ContainerOptions): readonly (readonly [string, string])[] {
  const {caFile, keyFile, certFile} = etcd;
  const files: readonly (readonly [string | undefined, string])[] = [
    [felixConfig, FILES.felix],
    [caFile, FILES.ca],
    [certFile && keyFile, FILES.key],
    [keyFile && certFile, FILES.cert],
  ];
  return [
    [logFolder, '/var/log/calico'],
    ['/var/run/calico', '/var/run/calico'],
    ['/var/lib/calico', '/var/lib/calico'],
    ['/lib/modules', '/lib/modules'],
    ['/run', '/run'],
    ...files.flatMap(([host, container]) => (host === undefined ? [] : [[host, container] as const])),
  ];
}

/** As a person would type it: what a shell would take apart is quoted. */
export const commandText = (parts: readonly string[]): string =>
  parts.map((part) => (/[\s'"$`\\;&|<>()#]/.test(part) ? `'${part.replaceAll("'", "'\\''")}'` : part)).join(' ');
