/**
 * Which store the settings name, and opening it. The settings are Calico's; the embedded store is ours.
 *
 * Without DATASTORE_TYPE it is as Calico's plugins guess: etcd when its endpoints are given, else the Kubernetes API.
 */
import type {Clock} from '../lib/clock.ts';
import {AgentError} from '../lib/errors.ts';
import type {Logger} from '../lib/log.ts';
import {EmbeddedStore} from './embedded/embedded-store.ts';
import {type EtcdSettings, type InlinePem, readEtcdSettings} from './etcd/settings.ts';
import type {CallOptions, Store} from './store.ts';

export type StoreConfig =
  | {readonly type: 'embedded'; readonly folder: string}
  | {readonly type: 'etcdv3'; readonly settings: EtcdSettings}
  | {readonly type: 'kubernetes'};

export const DEFAULT_STORE_FOLDER = '/var/lib/calico/store';

/**
 * Reads the settings of the datastore from an environment, or from what has the same names; `pem` is what a file of
 * calicoctl holds beside them. E_BAD_CONFIG names the one that is wrong.
 */
export function parseStoreConfig(
  environment: Readonly<Record<string, string | undefined>>,
  pem: InlinePem = {},
): StoreConfig {
  const type = setting(environment, 'DATASTORE_TYPE') ?? guessType(environment);
  switch (type) {
    case 'embedded':
      return {type, folder: storeFolder(environment)};
    case 'etcdv3':
      return {type, settings: readEtcdSettings((name) => readSetting(environment, name), pem)};
    case 'kubernetes':
      return {type};
    default:
      throw new AgentError(
        'E_BAD_CONFIG',
        `DATASTORE_TYPE is ${JSON.stringify(type)}: it must be etcdv3, kubernetes or embedded`,
        {setting: 'DATASTORE_TYPE', value: type},
      );
  }
}

/** Opens the store. What each store refuses with is said where it is opened; etcd is not contacted yet. */
export async function openStore(
  config: StoreConfig,
  dependencies: {readonly clock: Clock; readonly log: Logger},
  options?: CallOptions,
): Promise<Store> {
  switch (config.type) {
    case 'embedded':
      return EmbeddedStore.open({folder: config.folder}, dependencies, options);
    case 'etcdv3': {
      // Loaded when it is used: HTTP/2 costs every other program 10 ms and 10 MB.
      const {EtcdStore} = await import('./etcd/etcd-store.ts');
      return new EtcdStore({settings: config.settings}, dependencies);
    }
    case 'kubernetes':
      throw new AgentError(
        'E_UNSUPPORTED',
        `this release cannot use the datastore ${config.type} yet: set DATASTORE_TYPE to etcdv3 or embedded`,
        {type: config.type, supported: ['etcdv3', 'embedded']},
      );
  }
}

function storeFolder(environment: Readonly<Record<string, string | undefined>>): string {
  const folder = setting(environment, 'CALICO_STORE') ?? DEFAULT_STORE_FOLDER;
  if (folder.startsWith('/') && !folder.includes('\0')) return folder;
  throw new AgentError('E_BAD_CONFIG', `CALICO_STORE is ${JSON.stringify(folder)}: it must be an absolute path`, {
    setting: 'CALICO_STORE',
    value: folder,
  });
}

function guessType(environment: Readonly<Record<string, string | undefined>>): 'etcdv3' | 'kubernetes' {
  const isEtcd = ['ETCD_ENDPOINTS', 'ETCD_DISCOVERY_SRV'].some((name) => setting(environment, name) !== undefined);
  return isEtcd ? 'etcdv3' : 'kubernetes';
}

function setting(environment: Readonly<Record<string, string | undefined>>, name: string): string | undefined {
  return readSetting(environment, name)?.trim();
}

/**
 * As it is written: a password may begin with a space. An empty variable counts as none, because manifests set those they
 * do not use to nothing. Calico reads each name with the prefix `CALICO_` first.
 */
export function readSetting(
  environment: Readonly<Record<string, string | undefined>>,
  name: string,
): string | undefined {
  return [environment[`CALICO_${name}`], environment[name]].find((text) => text !== undefined && text.trim() !== '');
}
