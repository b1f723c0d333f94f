/**
 * A restart with nothing to change writes nothing: no netlink message that could change something, no write below
 * /proc/sys, with 10,000 routes in the kernel. Counted by the addon, and by strace on a process of its own.
 */
import {execFileSync} from 'node:child_process';
import {mkdtempSync, readFileSync, rmSync} from 'node:fs';
import {tmpdir} from 'node:os';
import {join} from 'node:path';
import t, {type Test} from 'tap';
import {addon} from '../../../src/native/addon.ts';
import {FelixRig} from '../../helpers/felix-rig.ts';
import {addVeth, makeHost} from './support/host.ts';
import {largeContent, WORKLOADS} from './support/large-content.ts';

await t.test('10,000 routes', async (t) => {
  const host = makeHost(t);
  for (let n = 1; n <= WORKLOADS; n++) addVeth(host, n);

  const rig = new FelixRig({netnsFd: host.fd});
  t.teardown(() => rig.close());
  rig.dataPlane.start();
  rig.accept(...largeContent());
  t.equal(await rig.run(), 'done', 'everything is written');
  const count = (family: string) => host.ip(`${family} route show`).trim().split('\n').length;
  t.ok(count('-4') + count('-6') >= 10_000, 'at least 10,000 routes are in the kernel');

  await t.test('counted by the addon', async (t) => {
    const before = addon().counters();
    const again = new FelixRig({netnsFd: host.fd});
    t.teardown(() => again.close());
    again.accept(...largeContent());
    t.equal(await again.run(), 'done');
    t.equal(again.lastRun?.changes.size, 0, 'nothing is said to have changed');
    t.same(addon().counters(), before, 'nothing was written');
    t.ok(
      [...again.dataPlane.statuses.values()].every(({state}) => state === 'up'),
      'every endpoint is up',
    );
  });

  await t.test('a refresh writes nothing either', async (t) => {
    const before = addon().counters();
    rig.dataPlane.state.invalidate('all');
    t.equal(await rig.run(), 'done');
    t.same(addon().counters(), before);
  });

  await t.test('counted by strace', (t) => {
    const restarted = trace(t, host.name);
    t.same(restarted.answer, {outcome: 'done', kinds: []}, 'the process found nothing to change');
    t.same(restarted.writes, [], 'and wrote nothing');

    host.ip('route del 10.244.0.1');
    host.setSysctl('net/ipv4/conf/cali2/proxy_arp', '0');
    const repaired = trace(t, host.name);
    t.ok(
      repaired.writes.some((line) => /nlmsg_type=(RTM_NEWROUTE|0x18)/.test(line)),
      'the trace would have shown a route',
    );
    t.ok(
      repaired.writes.some((line) => line.includes('cali2/proxy_arp')),
      'and a setting',
    );
    t.end();
  });
});

/** Runs an agent on the namespace; returns what it says and the system calls that change something. */
function trace(t: Test, namespace: string): {readonly answer: unknown; readonly writes: readonly string[]} {
  const folder = mkdtempSync(join(tmpdir(), 'restart-'));
  t.teardown(() => rmSync(folder, {recursive: true}));
  const log = join(folder, 'trace');
  const agent = new URL('./support/restarted-agent.ts', import.meta.url).pathname;
  const answer = execFileSync(
    'strace',
    [
      '-f',
      '-qq',
      '-s',
      '200',
      '-e',
      'trace=sendmsg,sendto,openat',
      '-o',
      log,
      process.execPath,
      agent,
      `/run/netns/${namespace}`,
    ],
    {encoding: 'utf8', stdio: ['ignore', 'pipe', 'inherit']},
  );
  const calls = readFileSync(log, 'utf8').split('\n');
  return {answer: JSON.parse(answer), writes: calls.filter(changesSomething)};
}

/**
 * A request other than RTM_GET..., or a setting opened for writing (paths are below /proc/sys/net). In a namespace other
 * than its own, strace knows netlink's messages by number only: three of four numbers from 16 on are changes.
 */
function changesSomething(call: string): boolean {
  const sent = /\bsend(?:to|msg)\(.*?nlmsg_type=(?:RTM_(?:NEW|DEL|SET)|0x([0-9a-f]+))/.exec(call);
  if (sent !== null) return sent[1] === undefined || Number.parseInt(sent[1], 16) % 4 !== 2;
  return /openat\(\d+, "(\/proc\/sys\/|ipv4\/|ipv6\/|netfilter\/)/.test(call) && /O_WRONLY|O_RDWR/.test(call);
}
