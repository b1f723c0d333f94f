import {execFileSync} from 'node:child_process';
import {readdirSync} from 'node:fs';
import {setImmediate as turn} from 'node:timers/promises';
import t from 'tap';
import type {NetlinkSocket} from '../../../src/native/addon.ts';
import {addon, cleanEnvironment} from './support/builds.ts';
import * as netlink from './support/messages.ts';
import {makeNamespace, removeAll} from './support/namespaces.ts';
import {peerProgram} from './support/peer.ts';

t.teardown(removeAll);
const [left, right] = [makeNamespace(), makeNamespace()];
const open = (options: {groups?: number[]; receiveBuffer?: number; protocol?: number} = {}): NetlinkSocket =>
  addon.openNetlink({protocol: 0, netnsFd: left.fd, ...options});
const throwsSystemError = (operation: () => unknown): boolean => {
  try {
    operation();
    return false;
  } catch (error) {
    return error instanceof Error && 'errno' in error;
  }
};
const openDescriptors = (): number => readdirSync('/proc/self/fd').length;

void t.test('sockets of two namespaces live side by side, and the process stays in its own', async (t) => {
  left.ip('link add ct-a type veth peer name ct-b');
  const own = addon.openNetlink({protocol: 0});
  const [one, two] = [open(), addon.openNetlink({protocol: 0, netnsFd: right.fd})];
  const before = netlink.linkNames(own.transact(netlink.dumpLinks(1)).data);
  t.match(netlink.linkNames(one.transact(netlink.dumpLinks(1)).data).sort(), ['ct-a', 'ct-b', 'lo']);
  t.same(netlink.linkNames(two.transact(netlink.dumpLinks(1)).data), ['lo']);
  t.same(netlink.linkNames((await one.transactAsync(netlink.dumpLinks(2))).data).length, 3);
  t.same(netlink.linkNames(own.transact(netlink.dumpLinks(2)).data), before);
  t.notOk(before.includes('ct-a'));
  for (const socket of [own, one, two]) socket.close();
});

void t.test('every message of a batch has its own answer, with the explanation of the kernel', async (t) => {
  const socket = open();
  const batch = Buffer.concat([netlink.addRoute(1, 1), netlink.addRoute(2, 1), netlink.addRoute(3, 2)]);
  t.same(
    [...netlink.answers(socket.transact(batch).data)],
    [
      [1, 0],
      [2, 17],
      [3, 0],
    ],
  );
  const wrong = netlink.message(netlink.RTM.NEWROUTE, 5, 9, Buffer.from([2, 33, 0, 0, 254, 200, 0, 6, 0, 0, 0, 0]));
  const [answer] = netlink.messages(socket.transact(wrong).data);
  t.match(answer?.body.toString('latin1'), /Invalid prefix/);
  t.equal(socket.transact(Buffer.concat([netlink.deleteRoute(4, 1), netlink.deleteRoute(5, 2)])).overrun, false);
  socket.close();
});

void t.test('a batch larger than the buffers loses no answer', async (t) => {
  const count = 20_000;
  const writes = addon.counters().netlinkWrites;
  const adds = Buffer.concat(Array.from({length: count}, (_, i) => netlink.addRoute(i + 1, i)));
  const socket = open({receiveBuffer: 16_384});
  const reply = await socket.transactAsync(adds);
  t.equal(reply.overrun, false);
  const answers = netlink.answers(reply.data);
  t.equal(answers.size, count);
  t.same(new Set(answers.values()), new Set([0]));
  const dump = await socket.transactAsync(netlink.dumpRoutes(1));
  t.equal(netlink.countRoutes(dump.data), count);
  const deletes = Buffer.concat(Array.from({length: count}, (_, i) => netlink.deleteRoute(i + 1, i)));
  t.equal(netlink.answers(socket.transact(deletes).data).size, count);
  t.equal(addon.counters().netlinkWrites - writes, 2 * count, 'dumps are not counted as writes');
  socket.close();
});

void t.test('an nf_tables batch is one piece; lost answers are said to be lost', async (t) => {
  const family = Buffer.from([1, 0, 0, 10]);
  const begin = netlink.message(16, 1, 1, Buffer.from([0, 0, 0, 10]));
  const end = netlink.message(17, 1, 9_999, Buffer.from([0, 0, 0, 10]));
  const table = (sequence: number): Buffer =>
    netlink.message(
      0xa00,
      5 | netlink.NLM_F.CREATE,
      sequence,
      family,
      netlink.attribute(1, Buffer.from(`t${sequence}\0`)),
    );
  const many = Array.from({length: 500}, (_, i) => table(i + 2));
  const socket = open({protocol: 12});
  const reply = socket.transact(Buffer.concat([begin, ...many, end]));
  t.equal(netlink.answers(reply.data).size >= 500, true);
  t.same(netlink.answers(reply.data).get(2), 0);
  const small = open({protocol: 12, receiveBuffer: 4096});
  t.equal(small.transact(Buffer.concat([begin, ...many, end])).overrun, true);
  t.equal(small.transact(Buffer.concat([begin, table(2), end])).overrun, false, 'the next exchange is a clean one');
  t.throws(() => socket.transact(Buffer.concat([begin, table(1)])), TypeError);
  socket.close();
  small.close();
});

void t.test('a monitor hears of changes, and of those it has missed', async (t) => {
  const socket = open();
  const monitor = open({groups: [7], receiveBuffer: 4096});
  const heard: {count: number; lost: boolean}[] = [];
  let wake = (): void => {};
  monitor.listen((data, lost) => {
    heard.push({count: netlink.messages(data).length, lost});
    wake();
  });
  const next = async (): Promise<void> => {
    const woken = new Promise<void>((resolve) => {
      wake = resolve;
    });
    await woken;
  };
  socket.transact(netlink.addRoute(1, 1));
  await next();
  t.same(heard, [{count: 1, lost: false}]);
  for (let i = 0; i < 500; i++) socket.transact(netlink.addRoute(1, 100 + i));
  while (!heard.some(({lost}) => lost)) await next();
  const total = heard.reduce((sum, {count}) => sum + count, 0);
  t.ok(total < 501, `${total} of 501`);
  heard.length = 0;
  socket.transact(netlink.deleteRoute(1, 1));
  while (heard.length === 0) await next();
  t.equal(heard[0]?.lost, false, 'the socket goes on');
  t.throws(() => monitor.transact(netlink.dumpLinks(1)), TypeError);
  t.throws(() => monitor.listen(() => {}), {code: 'EBUSY', errno: -16});
  socket.transact(Buffer.concat(Array.from({length: 500}, (_, i) => netlink.deleteRoute(i + 1, 100 + i))));
  monitor.close();
  socket.close();
});

void t.test('a dump that the kernel calls interrupted can be seen', async (t) => {
  const names = Array.from({length: 60}, (_, i) => `ct-i${i}`);
  left.ip(...names.map((name) => `link add ${name} type veth peer name ${name}p`));
  const [reader, writer] = [open(), open()];
  let interrupted = false;
  for (let i = 0; i < names.length && !interrupted; i++) {
    let pending = true;
    const name = netlink.attribute(3, Buffer.from(`${names[i]}\0`));
    const deleted = writer.transactAsync(netlink.message(netlink.RTM.DELLINK, 5, 1, Buffer.alloc(16), name));
    void deleted.finally(() => {
      pending = false;
    });
    while (pending && !interrupted) {
      const {data} = reader.transact(netlink.dumpLinks(2));
      interrupted = netlink.messages(data).some(({flags}) => (flags & netlink.NLM_F.DUMP_INTR) !== 0);
      await turn();
    }
    await deleted;
  }
  t.ok(interrupted);
  reader.close();
  writer.close();
});

void t.test('requests of one socket keep their order and are never on two threads', async (t) => {
  const socket = open();
  const order: number[] = [];
  const pending = Array.from({length: 50}, (_, i) =>
    socket
      .transactAsync(i % 2 === 0 ? netlink.addRoute(i + 1, i >> 1) : netlink.deleteRoute(i + 1, i >> 1))
      .then((reply) => {
        order.push(i);
        t.equal(netlink.answers(reply.data).get(i + 1), 0);
      }),
  );
  t.throws(() => socket.transact(netlink.dumpLinks(1)), {code: 'EBUSY'});
  await Promise.all(pending);
  t.same(
    order,
    Array.from({length: 50}, (_, i) => i),
  );
  t.equal(netlink.linkNames(socket.transact(netlink.dumpLinks(1)).data).includes('lo'), true);
  socket.close();
});

void t.test('the batch of transactAsync is a copy', async (t) => {
  const socket = open();
  const batch = netlink.addRoute(1, 7);
  const reply = socket.transactAsync(batch);
  batch.fill(255);
  t.equal(netlink.answers((await reply).data).get(1), 0);
  socket.transact(netlink.deleteRoute(1, 7));
  socket.close();
});

void t.test('only the kernel is believed', async (t) => {
  const socket = open();
  execFileSync('ip', ['netns', 'exec', left.name, peerProgram(), 'forge', String(socket.portId), '3'], {
    env: cleanEnvironment(),
  });
  const {data} = socket.transact(netlink.dumpLinks(77));
  t.equal(netlink.messages(data).filter(({type}) => type === netlink.NLMSG.DONE).length, 1);
  t.ok(netlink.linkNames(data).includes('lo'));
  socket.close();
});

void t.test('close in any order, twice, with work pending', async (t) => {
  const before = openDescriptors();
  const busy = open();
  const pending = [1, 2, 3].map((i) => busy.transactAsync(netlink.dumpLinks(i)));
  busy.close();
  busy.close();
  for (const reply of await Promise.all(pending)) t.ok(netlink.linkNames(reply.data).includes('lo'));
  t.throws(() => busy.transact(netlink.dumpLinks(1)), {code: 'EBADF', errno: -9, syscall: 'transact'});
  t.throws(() => busy.transactAsync(netlink.dumpLinks(1)), {code: 'EBADF'});
  t.throws(() => busy.listen(() => {}), {code: 'EBADF'});

  const source = open();
  const monitor = open({groups: [7]});
  await new Promise<void>((resolve) => {
    monitor.listen(() => {
      monitor.close();
      monitor.close();
      resolve();
    });
    source.transact(Buffer.concat([netlink.addRoute(1, 1), netlink.deleteRoute(2, 1)]));
  });
  const unheard = open({groups: [7]});
  unheard.listen(() => t.fail('closed before the loop came round'));
  source.transact(Buffer.concat([netlink.addRoute(1, 1), netlink.deleteRoute(2, 1)]));
  unheard.close();
  source.close();
  await turn();
  t.equal(openDescriptors(), before);
});

void t.test('thousands of operations leave no descriptor behind', async (t) => {
  const before = openDescriptors();
  for (let i = 0; i < 2000; i++) {
    const socket = open(i % 2 === 0 ? {groups: [1]} : {});
    if (i % 2 === 0) socket.listen(() => {});
    else socket.transact(netlink.dumpLinks(1));
    socket.close();
    if (i % 100 === 0) await turn();
    if (!throwsSystemError(() => addon.openNetlink({protocol: 31}))) t.fail('there is a protocol 31');
    if (!throwsSystemError(() => addon.openNetlink({protocol: 0, netnsFd: 0}))) t.fail('standard input is a namespace');
  }
  await turn();
  t.equal(openDescriptors(), before);
});
