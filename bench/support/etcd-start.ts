/** Reading a whole datastore at the start of a process. */
import {mustRun} from '../../test/lab/run-program.ts';
import type {LoopGap} from './loop-gaps.ts';

export interface EtcdStart {
  readonly keys: number;
  /** From the first call, connecting included, until everything is there. */
  readonly ms: number;
  /** Resident megabytes. */
  readonly before: number;
  readonly after: number;
  /** The longest time that the event loop was held. */
  readonly longest: LoopGap | undefined;
}

export const CALICO_PREFIX = '/calico/';

const PROGRAM = new URL('etcd-start-process.ts', import.meta.url).pathname;

export async function startOnEtcd(way: 'syncer' | 'range', endpoint: string): Promise<EtcdStart> {
  return JSON.parse(await mustRun([process.execPath, PROGRAM, way, endpoint])) as EtcdStart;
}
