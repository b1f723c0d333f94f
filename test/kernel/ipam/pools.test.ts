/**
 * Pools that change while pods live in them: exhausted and refilled, disabled, deleted, shrunk, and made anew with another
 * block size by way of a temporary pool (docs/operations/ipam.md, step by step). The operator's side is
 * calicoctl, the nodes' side the agent's allocator fed by a watch; nothing is started anew in between.
 */
import {writeFileSync} from 'node:fs';
import {join} from 'node:path';
import t, {type Test} from 'tap';
import {Syncer} from '../../../src/datastore/syncer.ts';
import {NodeAllocator} from '../../../src/ipam/node-allocator.ts';
import {WatchedRules} from '../../../src/ipam/rules.ts';
import {systemClock} from '../../../src/lib/clock.ts';
import {codeOf, messageOf} from '../../../src/lib/errors.ts';
import {silentLogger} from '../../../src/lib/log.ts';
import {CalicoctlRig} from '../../helpers/calicoctl-rig.ts';
import {checkIpam} from './support/checker.ts';

/** A node's allocator as the agent runs it, and what its watch has brought so far. */
class TestNode {
  readonly name: string;
  readonly agent: NodeAllocator;
  readonly #rig: CalicoctlRig;
  readonly #syncer: Syncer;
  readonly #seen = new Map<string, string>();
  #news = Promise.withResolvers<void>();

  constructor(t: Test, name: string, rig: CalicoctlRig) {
    this.name = name;
    this.#rig = rig;
    const dependencies = {store: rig.store, clock: systemClock, log: silentLogger};
    const rules = new WatchedRules(dependencies);
    this.agent = new NodeAllocator({node: name}, {...dependencies, rules});
    const sink = {
      onStatus: (status: 'waiting' | 'resyncing' | 'in-sync') => {
        rules.onStatus(status);
      },
      onUpdates: (updates: Parameters<WatchedRules['onUpdates']>[0]) => {
        rules.onUpdates(updates);
        this.agent.onUpdates(updates);
        for (const {key, value} of updates)
          if (value === undefined) this.#seen.delete(key);
          else this.#seen.set(key, value);
        this.#news.resolve();
        this.#news = Promise.withResolvers();
      },
    };
    this.#syncer = new Syncer({prefixes: ['/calico/']}, {...dependencies, sink});
    this.#syncer.start();
    t.teardown(async () => {
      await this.#syncer.stop();
      await this.agent.close();
    });
  }

  /** Resolves when the watch has brought everything that the store holds now. */
  async caughtUp(): Promise<void> {
    const content = await this.#rig.content();
    const isHere = () =>
      content.size === this.#seen.size && [...content].every(([key, value]) => this.#seen.get(key) === value);
    while (!isHere()) await this.#news.promise;
  }

  /** An address for a pod, or why there is none. */
  async add(pod: string): Promise<string> {
    await this.caughtUp();
    const owner = {handleId: `net.${pod}`, attributes: new Map([['node', this.name]])};
    const [allocation] = await this.agent.assign({owner, use: 'Workload', ipv4: {count: 1}});
    return allocation?.ip ?? '';
  }

  async remove(pod: string): Promise<number> {
    await this.caughtUp();
    return (await this.agent.releaseByHandle(`net.${pod}`)).length;
  }
}

interface Cluster {
  readonly rig: CalicoctlRig;
  readonly n1: TestNode;
  readonly n2: TestNode;
  /** What calicoctl prints; it must succeed. */
  readonly calicoctl: (...args: readonly string[]) => Promise<string>;
  /** Applies a pool. */
  readonly pool: (name: string, spec: object) => Promise<void>;
  /** Who has which address, from the raw keys, which must be sound. */
  readonly owners: () => Promise<Readonly<Record<string, string>>>;
}

async function cluster(t: Test): Promise<Cluster> {
  const folder = t.testdir({});
  const rig = await CalicoctlRig.open(folder);
  t.teardown(() => rig.close());
  const calicoctl = async (...args: readonly string[]) => {
    const {exit, stdout, stderr} = await rig.run(args);
    if (exit !== 0) throw new Error(`calicoctl ${args.join(' ')}: ${stderr}`);
    return stdout;
  };
  const apply = async (kind: string, name: string, spec: object) => {
    const resource = {apiVersion: 'projectcalico.org/v3', kind, metadata: {name}, spec};
    writeFileSync(join(folder, 'resource.json'), JSON.stringify(resource));
    await calicoctl('apply', '-f', 'resource.json');
  };
  for (const name of ['n1', 'n2']) await apply('Node', name, {bgp: {ipv4Address: '192.0.2.1/24'}});
  return {
    rig,
    n1: new TestNode(t, 'n1', rig),
    n2: new TestNode(t, 'n2', rig),
    calicoctl,
    pool: (name, spec) => apply('IPPool', name, {natOutgoing: true, ...spec}),
    owners: async () => {
      const entries = [...(await rig.content())].map(([key, value]) => ({key, value}));
      const {problems, owners, overcounts, unconfirmed} = checkIpam(entries);
      t.same([...problems, ...overcounts, ...unconfirmed], [], 'the records are sound');
      return Object.fromEntries([...owners].sort(([a], [b]) => (a < b ? -1 : 1)));
    },
  };
}

/** What a request is refused with. */
async function refusal(request: Promise<unknown>): Promise<string> {
  try {
    await request;
    return 'not refused';
  } catch (error) {
    return `${codeOf(error)}: ${messageOf(error)}`;
  }
}

void t.test('a pool is exhausted, and refilled by one who leaves or by another pool', async (t) => {
  const {n1, n2, pool, owners} = await cluster(t);
  await pool('small', {cidr: '10.1.0.0/29', blockSize: 30});
  const ips: string[] = [];
  for (let i = 0; i < 8; i++) ips.push(await (i % 2 === 0 ? n1 : n2).add(`p${i}`));
  t.equal(new Set(ips).size, 8, 'every address once');
  const exhausted = 'E_IPAM_NO_ADDRESS: no free IPv4 address is left in the pools';
  t.equal(await refusal(n1.add('late')), exhausted);
  t.equal(await refusal(n2.add('late')), exhausted);
  t.equal(await n2.remove('p3'), 1);
  t.equal(await n1.add('late'), ips[3], 'borrowed from the neighbour');
  t.equal(await refusal(n2.add('later')), exhausted);
  await pool('more', {cidr: '10.2.0.0/29', blockSize: 30});
  t.match(await n2.add('later'), /^10\.2\.0\./);
  t.equal(Object.keys(await owners()).length, 9);
});

void t.test('a pool is disabled and enabled under living pods', async (t) => {
  const {n1, calicoctl, pool, owners} = await cluster(t);
  await pool('p', {cidr: '10.1.0.0/28', blockSize: 30});
  const ip = await n1.add('a');
  await n1.add('b');
  await calicoctl('patch', 'ippool', 'p', '-p', '{"spec":{"disabled":true}}');
  t.match(await refusal(n1.add('c')), /^E_IPAM_NO_POOL: there is no enabled IPPool of this family/);
  t.equal(await n1.remove('b'), 1, 'who lives there may leave');
  t.same(await owners(), {[ip]: 'net.a'}, 'or stay');
  await calicoctl('patch', 'ippool', 'p', '-p', '{"spec":{"disabled":false}}');
  t.match(await n1.add('c'), /^10\.1\.0\./);
});

void t.test('a pool is deleted under living pods, and a smaller one takes its place', async (t) => {
  const {n1, n2, rig, calicoctl, pool, owners} = await cluster(t);
  await pool('p', {cidr: '10.1.0.0/27', blockSize: 30});
  const ips = new Map<string, string>();
  for (const [i, node] of [n1, n2, n1, n2, n1, n2].entries()) ips.set(`net.p${i}`, await node.add(`p${i}`));
  await calicoctl('delete', 'ippool', 'p');
  const after = [...(await rig.content())];
  t.same(
    after.filter(([key]) => key.startsWith('/calico/ipam/v2/host/')).map(([key]) => key),
    [],
    'no node holds a block any more',
  );
  t.same(await owners(), Object.fromEntries([...ips].map(([handle, ip]) => [ip, handle])), 'each keeps its address');
  t.match(await refusal(n1.add('late')), /^E_IPAM_NO_POOL: /);
  t.match(await calicoctl('ipam', 'check'), /Found 6 IPs that are in use or allocated but in no IP pool\./);
  t.equal(await n1.remove('p0'), 1, 'without a pool as well');

  // The CIDR of a pool cannot be changed: to shrink it is to make it anew.
  const kept = ips.get('net.p1') ?? '';
  const cidr = `${kept.replace(/\d+$/, (last) => String(Number(last) & ~7))}/29`;
  await pool('p', {cidr, blockSize: 30});
  const lives = new Set(Object.keys(await owners()));
  const inside = [...lives].filter((ip) => Number(ip.split('.')[3]) >> 3 === Number(kept.split('.')[3]) >> 3).length;
  for (let i = 0; i < 8 - inside; i++) {
    const ip = await (i % 2 === 0 ? n1 : n2).add(`new${i}`);
    t.notOk(lives.has(ip), `${ip} is nobody's`);
    t.equal(Number(ip.split('.')[3]) >> 3, Number(kept.split('.')[3]) >> 3, `${ip} lies in ${cidr}`);
    lives.add(ip);
  }
  t.match(await refusal(n1.add('full')), /^E_IPAM_NO_ADDRESS: /);
  for (let i = 1; i < 6; i++) t.equal(await (i % 2 === 0 ? n1 : n2).remove(`p${i}`), 1);
  await owners();
});

void t.test('another block size, by way of a temporary pool', async (t) => {
  const {n1, n2, rig, calicoctl, pool, owners} = await cluster(t);
  const alive = new Map<string, TestNode>([
    ['a', n1],
    ['b', n2],
    ['c', n1],
  ]);
  /** As a rollout does: each pod in turn is made anew under another container. */
  let generation = 0;
  const restartAll = async () => {
    generation++;
    const seen: string[] = [];
    for (const [pod, node] of alive) {
      await node.remove(`${pod}${generation - 1}`);
      seen.push(await node.add(`${pod}${generation}`));
      t.equal(Object.keys(await owners()).length, alive.size, 'all the others live');
    }
    return seen;
  };
  await pool('default', {cidr: '10.1.0.0/24', blockSize: 30});
  for (const [pod, node] of alive) await node.add(`${pod}0`);
  const inBig = (ips: readonly string[]) => ips.every((ip) => ip.startsWith('10.1.0.'));
  const inTemporary = (ips: readonly string[]) => ips.every((ip) => ip.startsWith('10.9.0.'));

  // It cannot be changed in place, and not be made anew while blocks of the old size are there.
  const change = rig.run(['patch', 'ippool', 'default', '-p', '{"spec":{"blockSize":28}}']);
  t.match(await change, {exit: 1, stderr: /BlockSize cannot be modified/});

  await pool('temporary', {cidr: '10.9.0.0/24', blockSize: 30});
  await calicoctl('patch', 'ippool', 'default', '-p', '{"spec":{"disabled":true}}');
  const late = await n2.add('late');
  t.ok(inTemporary([late]), 'a new pod gets an address of the temporary pool');
  await n2.remove('late');
  // One pod is forgotten: it lives on in the old pool.
  alive.delete('c');
  const forgotten = Object.entries(await owners()).find(([, handle]) => handle === 'net.c0')?.[0] ?? '';
  generation++;
  for (const [pod, node] of alive) {
    await node.remove(`${pod}0`);
    t.ok(inTemporary([await node.add(`${pod}1`)]));
  }
  await calicoctl('delete', 'ippool', 'default');
  await t.rejects(pool('default', {cidr: '10.1.0.0/24', blockSize: 28}), {
    message: /overlaps the block 10\.1\.0\.\d+\/30, which has another size: release its addresses first/,
  });
  t.equal((await owners())[forgotten], 'net.c0', 'who was forgotten lives');
  await n1.remove('c0');
  await pool('default', {cidr: '10.1.0.0/24', blockSize: 28});
  await calicoctl('patch', 'ippool', 'temporary', '-p', '{"spec":{"disabled":true}}');
  t.ok(inBig(await restartAll()), 'the pods are back in their pool');
  await calicoctl('delete', 'ippool', 'temporary');
  const blocks = [...(await rig.content()).keys()].filter((key) => key.includes('/assignment/'));
  t.ok(blocks.length > 0 && blocks.every((key) => key.endsWith('-28')), blocks.join(' '));
  t.match(await calicoctl('ipam', 'check'), /Found 0 blocks with no matching affinity\./);
});
