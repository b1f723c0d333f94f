/**
 * Two nodes allocate from the same small pools on one embedded store, each in a process of its own, and are killed
 * between two calls of the store again and again. After each restart and at the end the raw keys are looked at: no
 * address has two owners, no record breaks a rule of the format, and after the reclaim exactly the living have addresses.
 *
 * TEST_SEED repeats the requests; how the two processes interleave is theirs.
 */
import {type ChildProcess, spawn} from 'node:child_process';
import {once} from 'node:events';
import {mkdtempSync, rmSync} from 'node:fs';
import {tmpdir} from 'node:os';
import {join} from 'node:path';
import {createInterface} from 'node:readline';
import {fileURLToPath} from 'node:url';
import t, {type Test} from 'tap';
import {EmbeddedStore} from '../../../src/datastore/embedded/embedded-store.ts';
import {systemClock} from '../../../src/lib/clock.ts';
import {silentLogger} from '../../../src/lib/log.ts';
import {forAll, type Random} from '../../helpers/random.ts';
import {checkIpam} from './support/checker.ts';
import type {NodeProcessOptions, Report} from './support/protocol.ts';

const PROGRAM = fileURLToPath(new URL('support/node-process.ts', import.meta.url));
const OPERATIONS = 100;
const LIVES = 3;

// Eighteen processes start and die; on a busy machine that takes a while.
t.setTimeout(120_000);

/** What the world outside knows of one node: containers that run, and whose ADD or DEL was not answered. */
class NodeModel {
  readonly name: string;
  /** False: it writes key by key, as Calico's own programs do. */
  readonly isAtomic: boolean;
  readonly alive = new Map<string, readonly string[]>();
  readonly unsettled = new Set<string>();
  /** What happened, so that the test can tell that enough did. */
  readonly seen = {added: 0, refused: 0, removed: 0, killed: 0};

  constructor(name: string, isAtomic: boolean) {
    this.name = name;
    this.isAtomic = isAtomic;
  }

  hear(report: Report): void {
    switch (report.kind) {
      case 'reclaimed':
        this.unsettled.clear();
        break;
      case 'adding':
        this.unsettled.add(report.container);
        break;
      case 'added':
        this.unsettled.delete(report.container);
        this.alive.set(report.container, report.ips);
        this.seen.added++;
        break;
      case 'refused':
      case 'removed':
        this.unsettled.delete(report.container);
        this.seen[report.kind]++;
        break;
      case 'removing':
        this.alive.delete(report.container);
        this.unsettled.add(report.container);
        break;
      case 'finished':
        break;
    }
  }
}

/** One life of a node's process; resolves when it has ended, by itself or by its own hand. */
async function live(t: Test, model: NodeModel, options: NodeProcessOptions): Promise<void> {
  const child: ChildProcess = spawn(process.execPath, [PROGRAM, JSON.stringify(options)], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  t.teardown(() => child.kill('SIGKILL'));
  if (child.stdout === null) throw new Error('no output to read');
  createInterface({input: child.stdout}).on('line', (line) => model.hear(JSON.parse(line) as Report));
  const [code, signal] = (await once(child, 'close')) as [number | null, string | null];
  if (signal === 'SIGKILL') model.seen.killed++;
  else if (code !== 0) throw new Error(`${options.node} ended with ${code ?? signal}`);
}

async function run(t: Test, ways: readonly boolean[], random: Random): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), 'ct-ipam-'));
  t.teardown(() => rmSync(folder, {recursive: true, force: true}));
  const store = await EmbeddedStore.open({folder}, {clock: systemClock, log: silentLogger});
  t.teardown(() => store.close());
  await prepare(store);
  const models = ways.map((isAtomic, i) => new NodeModel(`n${i + 1}`, isAtomic));
  const life = (model: NodeModel, operations: number, dieAtCall: number) =>
    live(t, model, {
      folder,
      node: model.name,
      seed: random.below(2 ** 31),
      operations,
      dieAtCall,
      isAtomic: model.isAtomic,
      alive: [...model.alive.keys()],
    });
  // Lives that chance made short are followed by more, until enough has happened to be worth checking.
  const didEnough = ({seen}: NodeModel) => seen.added >= 10 && seen.removed >= 5;
  for (let round = 0; round < LIVES || !models.every(didEnough); round++) {
    await Promise.all(models.map((model) => life(model, OPERATIONS, random.between(20, model.isAtomic ? 400 : 900))));
    expectSound(await read(store), models, false);
  }
  // The last life only reclaims.
  for (const model of models) await life(model, 0, 0);
  expectSound(await read(store), models, true);
  for (const {name, seen} of models) t.comment(`${name}: ${JSON.stringify(seen)}`);
}

async function prepare(store: EmbeddedStore): Promise<void> {
  const put = (plural: string, name: string, spec: object) =>
    store.commit([
      {
        kind: 'put',
        key: `/calico/resources/v3/projectcalico.org/${plural}/${name}`,
        value: JSON.stringify({apiVersion: 'projectcalico.org/v3', metadata: {name}, spec}),
      },
    ]);
  await put('ippools', 'p4', {cidr: '10.0.0.0/26', blockSize: 28});
  await put('ippools', 'p6', {cidr: 'fd00::/122', blockSize: 124});
  for (const name of ['n1', 'n2']) await put('nodes', name, {});
}

const read = async (store: EmbeddedStore) => (await store.list('/calico/ipam/v2/')).entries;

function expectSound(
  entries: readonly {key: string; value: string}[],
  models: readonly NodeModel[],
  isReclaimed: boolean,
): void {
  const {problems, owners} = checkIpam(
    entries,
    models.every(({isAtomic}) => isAtomic),
  );
  const found: string[] = [...problems];
  const living = new Map<string, string>();
  for (const model of models)
    for (const [container, ips] of model.alive)
      for (const ip of ips) {
        if (living.has(ip)) found.push(`${ip} was given to ${container} and ${living.get(ip)}`);
        living.set(ip, container);
        if (owners.get(ip) !== `net.${container}`) found.push(`${ip} of ${container} belongs to ${owners.get(ip)}`);
      }
  const unsettled = new Set(models.flatMap((model) => [...model.unsettled]));
  for (const [ip, handle] of owners)
    if (!living.has(ip) && (isReclaimed || !unsettled.has(handle.slice('net.'.length))))
      found.push(`${ip} of ${handle} has no living owner`);
  if (found.length > 0) throw new Error(found.join('\n'));
}

for (const [way, ways] of [
  ['in transactions', [true, true]],
  ['key by key', [false, false]],
  ['one each way', [true, false]],
] as const)
  void t.test(`two processes on one store, killed at random, ${way}`, (t) =>
    forAll(1, (random) => run(t, ways, random)),
  );

void t.test('the checker sees what it must see', async (t) => {
  const block = {
    cidr: '10.0.0.0/31',
    affinity: 'host:n1',
    allocations: [0, null],
    unallocated: [1],
    attributes: [{handle_id: 'net.a', secondary: {}}],
    sequenceNumberForAllocation: {'0': 1},
  };
  const state = (change: object, handle = '{"block":{"10.0.0.0/31":1}}', claim = '{"state":"confirmed"}') => [
    {key: '/calico/ipam/v2/assignment/ipv4/block/10.0.0.0-31', value: JSON.stringify({...block, ...change})},
    {key: '/calico/ipam/v2/handle/net.a', value: handle},
    {key: '/calico/ipam/v2/host/n1/ipv4/block/10.0.0.0-31', value: claim},
  ];
  const problemsOf = (...entries: Parameters<typeof state>) => checkIpam(state(...entries), true).problems.length;
  t.equal(problemsOf({}), 0);
  t.ok(problemsOf({unallocated: [0, 1]}) > 0);
  t.ok(problemsOf({unallocated: []}) > 0);
  t.ok(problemsOf({attributes: [...block.attributes, {handle_id: 'net.b'}]}) > 0);
  t.ok(problemsOf({sequenceNumberForAllocation: {}}) > 0);
  t.ok(problemsOf({affinity: 'host:n2'}) > 0);
  t.ok(problemsOf({}, '{"block":{"10.0.0.0/31":2}}') > 0);
  t.ok(problemsOf({}, '{"block":{}}') > 0);
  t.ok(problemsOf({}, undefined, '{"state":"pending"}') > 0);
});
