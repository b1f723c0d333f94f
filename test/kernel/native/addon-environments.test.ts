/** Environments (main threads and workers) that end with everything open: no crash, no hang, no descriptor left. */
import {execFile} from 'node:child_process';
import {once} from 'node:events';
import {readdirSync} from 'node:fs';
import {join} from 'node:path';
import {promisify} from 'node:util';
import {Worker} from 'node:worker_threads';
import t from 'tap';
import {addon} from './support/builds.ts';
import type {Orders} from './support/busy-environment.ts';
import {dumpLinks, linkNames} from './support/messages.ts';
import {makeNamespace, removeAll, scratchFolder} from './support/namespaces.ts';

t.teardown(removeAll);
const namespace = makeNamespace();
const script = new URL('support/busy-environment.ts', import.meta.url);
let count = 0;
const orders = (end: Orders['end'], netnsFd = namespace.fd): Orders => ({
  netnsFd,
  path: join(scratchFolder(), `e${count++}`),
  end,
});
const openDescriptors = (): number => readdirSync('/proc/self/fd').length;
const startWorker = (end: Orders['end']): Worker => new Worker(script, {workerData: orders(end), execArgv: []});

void t.test('workers that return, exit, throw or are terminated', async (t) => {
  const first = startWorker('return');
  await once(first, 'exit');
  const before = openDescriptors();
  for (let round = 0; round < 3; round++) {
    t.same(await once(startWorker('return'), 'exit'), [0]);
    t.same(await once(startWorker('exit'), 'exit'), [0]);
    const thrower = startWorker('throw');
    const [error] = (await once(thrower, 'error')) as [Error];
    t.equal(error.message, 'from a callback');
    const waiter = startWorker('wait');
    await once(waiter, 'message');
    t.equal(await waiter.terminate(), 1);
    await startWorker('wait').terminate();
  }
  t.equal(openDescriptors(), before);
});

void t.test('several workers at once, each with its own sockets', async (t) => {
  const workers = Array.from({length: 4}, () => startWorker('wait'));
  await Promise.all(workers.map((worker) => once(worker, 'message')));
  const socket = addon.openNetlink({protocol: 0, netnsFd: namespace.fd});
  t.same(linkNames(socket.transact(dumpLinks(1)).data), ['lo']);
  await Promise.all(workers.map((worker) => worker.terminate()));
  t.same(linkNames(socket.transact(dumpLinks(2)).data), ['lo']);
  socket.close();
});

void t.test('processes that exit, return or throw', async (t) => {
  const run = promisify(execFile);
  const program = (end: Orders['end']): Promise<unknown> => {
    const text = JSON.stringify({...orders(end), netnsFd: 9});
    return run('sh', ['-c', 'exec "$0" "$@" 9<"$NETNS"', process.execPath, script.pathname, text], {
      env: {...process.env, NETNS: namespace.path},
    });
  };
  await t.resolves(program('return'));
  await t.resolves(program('exit'));
  await t.rejects(program('throw'), {code: 1, stderr: /from a callback/});
});
