/** STATUS: can this node connect a pod now? And the connection test (`-t`), Calico's older form of the question. */
import {messageChain} from '../lib/errors.ts';
import {type CniFailure, CONNECTION_FAILED, LIMITED_CONNECTIVITY, NOT_AVAILABLE} from './cni-error.ts';
import {requireDatastoreReady} from './datastore-gate.ts';
import {decodeJson, readNetworkConfig} from './network-config.ts';
import type {Call, Services} from './services.ts';

const DATASTORE_MS = 2_000;

type StatusServices = Pick<Services, 'readiness' | 'resources'>;

/** Undefined when a pod can be added, else code 50 or 51 and why not. */
export async function status({readiness, resources}: StatusServices, {signal}: Call): Promise<CniFailure | undefined> {
  const now = readiness();
  if (now.state !== 'ready') {
    const code = now.state === 'limited' ? LIMITED_CONNECTIVITY : NOT_AVAILABLE;
    return {code, msg: 'the agent is not ready to add pods', details: now.reason};
  }
  try {
    await requireDatastoreReady(resources, {signal, deadlineMs: DATASTORE_MS});
    return undefined;
  } catch (error) {
    return {code: NOT_AVAILABLE, msg: 'the agent is not ready to add pods', details: messageChain(error)};
  }
}

/** Undefined when the datastore answers and is ready. */
export async function connectionTest(
  stdin: Uint8Array,
  {settings, resources}: Pick<Services, 'settings' | 'resources'>,
  {signal}: Call,
): Promise<CniFailure | undefined> {
  try {
    const json = decodeJson(stdin);
    const {name} = readNetworkConfig(json, typeof json.name === 'string' ? json.name : '');
    settings.compare(name, json, {isAdd: false});
    await requireDatastoreReady(resources, {signal, deadlineMs: DATASTORE_MS});
    return undefined;
  } catch (error) {
    return {code: CONNECTION_FAILED, msg: 'data store connection failed', details: messageChain(error)};
  }
}
