/**
 * A test agent as a process of its own that ends itself, as if killed, at a given point of its work.
 * Arguments: store folder, name of the node's namespace, kind of step (`commit-before`, `commit-after`, `netlink`), its
 * number. It says `ready` when it listens, and begins to count when it is told anything.
 */
import {execFileSync} from 'node:child_process';
import {openSync} from 'node:fs';
import type {Store} from '../../../../src/datastore/store.ts';
import type {Addon} from '../../../../src/native/addon.ts';
import {TestAgent} from './test-agent.ts';

const [folder = '', name = '', kind = '', number = '0'] = process.argv.slice(2);
let left = Number.POSITIVE_INFINITY;

function step(reached: string): void {
  if (reached === kind && --left === 0) process.kill(process.pid, 'SIGKILL');
}

const wrapStore = (store: Store): Store => ({
  capabilities: store.capabilities,
  get: (key, options) => store.get(key, options),
  list: (prefix, options) => store.list(prefix, options),
  watch: (prefixes, cursor, options) => store.watch(prefixes, cursor, options),
  close: () => store.close(),
  commit: async (operations, options) => {
    step('commit-before');
    const result = await store.commit(operations, options);
    step('commit-after');
    return result;
  },
});

const wrapAddon = (addon: Addon): Addon => ({
  listenUnix: (path, options, onConnection) => addon.listenUnix(path, options, onConnection),
  networkNamespace: (fd) => addon.networkNamespace(fd),
  readSysctls: (netnsFd, paths) => addon.readSysctls(netnsFd, paths),
  writeSysctls: (netnsFd, writes) => addon.writeSysctls(netnsFd, writes),
  counters: () => addon.counters(),
  openNetlink: (options) => {
    const socket = addon.openNetlink(options);
    return {
      portId: socket.portId,
      listen: (callback) => socket.listen(callback),
      close: () => socket.close(),
      transactAsync: (batch) => {
        step('netlink');
        return socket.transactAsync(batch);
      },
      transact: (batch) => {
        step('netlink');
        return socket.transact(batch);
      },
    };
  },
});

const ip = (...args: readonly string[]) => execFileSync('ip', ['-n', name, ...args], {encoding: 'utf8'});
await TestAgent.start(
  {storeFolder: folder, wrapStore, wrapAddon},
  {
    name,
    fd: openSync(`/run/netns/${name}`, 'r'),
    ip,
    batch: () => undefined,
    bridge: () => '',
    ipJson: (...args) => JSON.parse(ip('-j', ...args) || '[]'),
    bridgeJson: () => [],
    [Symbol.dispose]: () => undefined,
  },
);
process.on('message', () => {
  left = Number(number);
  process.send?.('armed');
});
process.send?.('ready');
