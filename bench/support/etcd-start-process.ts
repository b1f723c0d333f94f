/**
 * Reads everything below Calico's prefix from an etcd, as a process that has just started, and prints what that took:
 * `syncer`: with the Syncer over the store, as the agent does; `range`: with the bare client, all in one answer.
 */
import {EtcdClient} from '../../src/datastore/etcd/client.ts';
import {systemResolveSrv} from '../../src/datastore/etcd/discovery.ts';
import {prefixRange} from '../../src/datastore/etcd/key-bytes.ts';
import {decodeRange, encodeRange} from '../../src/datastore/etcd/messages.ts';
import {parseEtcdSettings} from '../../src/datastore/etcd/settings.ts';
import {Syncer} from '../../src/datastore/syncer.ts';
import {systemClock as clock} from '../../src/lib/clock.ts';
import {silentLogger as log} from '../../src/lib/log.ts';
import {openEtcd} from './etcd.ts';
import {CALICO_PREFIX, type EtcdStart} from './etcd-start.ts';
import {LoopGaps} from './loop-gaps.ts';
import {residentMegabytes} from './process-facts.ts';

const DEADLINE_MS = 60_000;
const [way = '', endpoint = ''] = process.argv.slice(2);

async function readBySyncer(): Promise<number> {
  const store = openEtcd(endpoint);
  const inSync = Promise.withResolvers<void>();
  let keys = 0;
  const syncer = new Syncer(
    {prefixes: [CALICO_PREFIX]},
    {
      store,
      clock,
      log,
      sink: {
        onStatus: (status) => {
          if (status === 'in-sync') inSync.resolve();
        },
        onUpdates: (updates) => {
          keys += updates.length;
        },
      },
    },
  );
  syncer.start();
  await inSync.promise;
  return keys;
}

async function readByRange(): Promise<number> {
  const settings = parseEtcdSettings({endpoints: endpoint});
  const limits = {dialMs: DEADLINE_MS, idleMs: DEADLINE_MS, answerMs: DEADLINE_MS};
  const client = new EtcdClient({settings, ...limits}, {clock, log, resolveSrv: systemResolveSrv, random: Math.random});
  const {kvs} = await client.call({
    method: '/etcdserverpb.KV/Range',
    message: encodeRange(prefixRange(CALICO_PREFIX)),
    decode: decodeRange,
    isRead: true,
    signal: new AbortController().signal,
    deadlineMs: DEADLINE_MS,
  });
  return kvs.length;
}

const before = residentMegabytes(process.pid);
const gaps = new LoopGaps();
const startMs = performance.now();
const keys = await (way === 'syncer' ? readBySyncer() : readByRange());
const ms = performance.now() - startMs;
await new Promise((resolve) => setTimeout(resolve, 5));
const start: EtcdStart = {keys, ms, before, after: residentMegabytes(process.pid), longest: gaps.take()[0]};
console.log(JSON.stringify(start));
process.exit();
