/**
 * An environment with everything open that can be open, which then ends in the way named: `return` (nothing keeps it,
 * all closed), `exit` (process.exit), `throw` (inside a callback), `wait` (until somebody terminates it).
 */
import {connect} from 'node:net';
import {parentPort, workerData} from 'node:worker_threads';
import {addon} from './builds.ts';
import {addRoute, deleteRoute, dumpLinks} from './messages.ts';

export interface Orders {
  readonly netnsFd: number;
  readonly path: string;
  readonly end: 'return' | 'exit' | 'throw' | 'wait';
}

const {netnsFd, path, end} = (workerData ?? JSON.parse(process.argv[2] ?? '')) as Orders;
const monitor = addon.openNetlink({protocol: 0, netnsFd, groups: [7]});
const requests = addon.openNetlink({protocol: 0, netnsFd});
const idle = addon.openNetlink({protocol: 0, netnsFd});
const number = 1000 + Math.floor(Math.random() * 60_000);

const heard = new Promise<void>((resolve) => {
  monitor.listen(() => {
    if (end === 'throw') throw new Error('from a callback');
    resolve();
  });
});
const connected = new Promise<() => void>((resolve) => {
  const listener = addon.listenUnix(path, {mode: 0o600, backlog: 4}, (connection) => {
    connection.read(() => {});
    void connection.write(new Uint8Array(8 << 20)).catch(() => {});
    resolve(() => {
      listener.close();
      connection.close();
    });
  });
});
const client = connect(path);
client.pause();
const closeUnix = await connected;
for (let i = 1; i <= 20; i++) void requests.transactAsync(dumpLinks(i));
void requests.transactAsync(Buffer.concat([addRoute(1, number), deleteRoute(2, number)]));
await heard;
parentPort?.postMessage('busy');
if (end === 'exit') process.exit(0);
if (end === 'return') {
  for (const socket of [monitor, requests, idle]) socket.close();
  closeUnix();
  client.destroy();
}
