/**
 * A connection to the datastore for the time of one command, and the question every command asks first: is this client of
 * the same release as the cluster?
 */
import {Resources} from '../datastore/resources.ts';
import type {CallOptions, Store} from '../datastore/store.ts';
import {AgentError} from '../lib/errors.ts';
import {ClusterInformation} from '../model/kinds/cluster-information.ts';
import {CALICO_VERSION} from '../model/version.ts';
import {loadStoreConfig, noClient} from './configuration.ts';
import {plainText} from './error-text.ts';
import {Failure} from './failure.ts';
import type {Io} from './io.ts';

export interface Session {
  readonly io: Io;
  readonly store: Store;
  readonly resources: Resources;
  /** For every call to the datastore. */
  readonly call: CallOptions;
}

/** Runs `work` on the datastore that the settings name, and lets go of it in any case. */
export async function withSession<T>(
  io: Io,
  configFile: string | undefined,
  work: (session: Session) => Promise<T>,
): Promise<T> {
  const config = await loadStoreConfig(io, configFile);
  const call = {signal: io.signal};
  let store: Store;
  try {
    store = await io.openStore(config, call);
  } catch (error) {
    if (!(error instanceof AgentError)) throw error;
    const place = config.type === 'embedded' ? `datastore ${config.folder}: ` : '';
    throw noClient(`${place}${plainText(error)}`, error);
  }
  try {
    return await work({io, store, call, resources: new Resources({store, clock: io.clock})});
  } finally {
    await store.close();
  }
}

/** Refuses to work on a cluster of another release, unless that is allowed or nobody can say which it is. */
export async function checkClusterVersion(session: Session, isAllowed: boolean): Promise<void> {
  if (isAllowed) return;
  const version = await readClusterVersion(session);
  if (version === undefined || version === '' || release(version) === release(CALICO_VERSION)) return;
  throw new Failure(
    `version mismatch.\nClient Version:   ${CALICO_VERSION}\nCluster Version:  ${version.replace(/^v/, '')}\nUse --allow-version-mismatch to override`,
  );
}

/** Undefined when it cannot be read: the command will meet the reason itself, and say it in its own words. */
async function readClusterVersion({resources, call}: Session): Promise<string | undefined> {
  try {
    return (await resources.get(ClusterInformation, {name: 'default'}, call))?.spec.calicoVersion;
  } catch (error) {
    if (error instanceof AgentError) return undefined;
    throw error;
  }
}

/** `v3.32.1-1-gabc` -> `3.32.1` */
const release = (version: string): string => version.replace(/^v/, '').replace(/-.*$/, '');
