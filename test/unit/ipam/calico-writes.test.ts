/**
 * The same operations as Calico's own IPAM library was given: the same keys written in the same order with the same
 * values, so that either may be killed between any two writes and the other carries on. The fixture holds every write of
 * Calico, refused ones included. Where ours differ, the difference is named here, and the state after the step is the same.
 */
import {readFileSync} from 'node:fs';
import t, {type Test} from 'tap';
import type {Operation, Store} from '../../../src/datastore/store.ts';
import {Allocator} from '../../../src/ipam/allocator.ts';
import {BlockClaims} from '../../../src/ipam/block-claims.ts';
import {silentLogger} from '../../../src/lib/log.ts';
import {FakeClock} from '../../helpers/fake-clock.ts';
import {putConfig, putNode, putPool} from './support/cluster.ts';
import {MemoryStore} from './support/memory-store.ts';

interface Write {
  readonly op: string;
  readonly key: string;
  readonly value?: string | undefined;
  /** The write holds only at the revision that was read. */
  readonly isCompared?: boolean | undefined;
  readonly isRefused?: boolean | undefined;
}

interface Step {
  readonly step: readonly [what: string, ...args: string[]];
  readonly writes: readonly Write[];
}

const STEPS = readFileSync(new URL('../../fixtures/ipam/calico-writes.jsonl', import.meta.url), 'utf8')
  .trim()
  .split('\n')
  .map((line) => JSON.parse(line) as Step);

/** Steps that ours writes otherwise, and why that is safe. */
const DIFFERENCES: Readonly<Record<string, string>> = {
  'auto n1 h2 2 1': 'claims come first, and the handle counts both families in one write before either block',
  'auto n1 h5 7 0': 'claims come first, and the handle counts what is taken from a block, not what was asked for',
  'claim 10.0.0.16/29 n2': 'looks at the block before it claims',
  'claim 10.0.0.0/27 n2': 'looks at each block before it claims',
  'byhandle h5': 'the handle is written once, after all blocks, and nothing is left of it',
  'byhandle h2': 'the handle is written once, after all blocks',
};
/** From here on Calico's handle h5 counts an address that it never had. */
const OVERCOUNTED = '/calico/ipam/v2/handle/h5';

const LARGE = /\b\d{17,}\b/g;

/** Numbers relative to the first of their block, no times, no difference between no attributes and none yet. */
class Normaliser {
  readonly #bases: bigint[] = [];

  value(text: string): string {
    // A transaction creates a block and assigns from it in one write: the number of the assignment comes first.
    for (const digits of (text.match(LARGE) ?? []).sort(byText)) this.#number(BigInt(digits));
    return text
      .replace(/"affinity_claim_time":"[^"]*"/, '"affinity_claim_time":"T"')
      .replace('"attributes":null', '"attributes":[]')
      .replaceAll(LARGE, (digits) => this.#number(BigInt(digits)));
  }

  #number(number: bigint): string {
    let place = this.#bases.findIndex((base) => number >= base && number - base < 1000n);
    if (place < 0) place = this.#bases.push(number) - 1;
    return `S+${number - (this.#bases[place] ?? 0n)}`;
  }
}

/** The writes that changed something, and what was there after each step. */
class Replay {
  readonly entries = new Map<string, string>();
  readonly #normaliser = new Normaliser();

  take(writes: readonly Write[]): readonly string[] {
    return writes.flatMap(({op, key, value, isCompared, isRefused}) => {
      if (isRefused === true) return [];
      const normal = value === undefined ? undefined : this.#normaliser.value(value);
      if (this.entries.get(key) === normal) return [];
      if (normal === undefined) this.entries.delete(key);
      else this.entries.set(key, normal);
      return [`${op}${isCompared === true ? ' compared' : ''} ${key} ${normal ?? ''}`];
    });
  }

  state(): readonly string[] {
    return [...this.entries]
      .filter(([key]) => key !== OVERCOUNTED)
      .map(([key, value]) => `${key} ${value}`)
      .sort(byText);
  }
}

const byText = (a: string, b: string): number => (a < b ? -1 : 1);

/** A store with the cluster of the fixture; `writes` are those of the last operations. */
async function cluster(atomicAcrossKeys: boolean) {
  const writes: Write[] = [];
  const store = new MemoryStore({atomicAcrossKeys, maxOps: atomicAcrossKeys ? 128 : 1});
  await putPool(store, 'p4', {cidr: '10.0.0.0/27', blockSize: 29});
  await putPool(store, 'p6', {cidr: 'fd00::/124', blockSize: 125});
  for (const node of ['n1', 'n2']) await putNode(store, node);
  await putConfig(store, {});
  const recorded: Store = {
    capabilities: store.capabilities,
    get: (key, options) => store.get(key, options),
    list: (prefix, options) => store.list(prefix, options),
    watch: (prefixes, cursor, options) => store.watch(prefixes, cursor, options),
    close: () => store.close(),
    async commit(operations, options) {
      const note = (isRefused: boolean) => writes.push(...operations.map((operation) => writeOf(operation, isRefused)));
      try {
        const result = await store.commit(operations, options);
        note(false);
        return result;
      } catch (error) {
        note(true);
        throw error;
      }
    },
  };
  return {store, recorded, writes};
}

function writeOf(operation: Operation, isRefused: boolean): Write {
  const value = operation.kind === 'delete' || operation.kind === 'check' ? undefined : operation.value;
  const isCompared = 'revision' in operation && operation.revision !== undefined;
  return {op: operation.kind, key: operation.key, value, isCompared, isRefused};
}

async function perform(store: Store, clock: FakeClock, [what, ...args]: Step['step']): Promise<void> {
  const dependencies = {store, clock, log: silentLogger};
  const allocator = new Allocator(dependencies);
  const claims = new BlockClaims(dependencies);
  const [a = '', b = '', c = '', d = ''] = args;
  const owner = {handleId: b, attributes: new Map([['node', a]])};
  switch (what) {
    case 'auto': {
      const request = {owner, use: 'Workload' as const, ipv4: {count: Number(c)}, ipv6: {count: Number(d)}};
      await allocator.autoAssign(a, request);
      break;
    }
    case 'assign':
      // One of the two is refused by both: the address is taken.
      await allocator.assignIp(a, {ip: c, owner}).catch(() => undefined);
      break;
    case 'byhandle':
      await allocator.releaseByHandle(a);
      break;
    case 'release':
      await allocator.releaseIps([{ip: a, handleId: b}]);
      break;
    case 'claim':
      await claims.claim(a, b);
      break;
    case 'unclaim':
      await claims.release(a, b, {requireEmpty: c === 'true'});
      break;
    case 'host':
      await claims.removeHost(a);
      break;
    case 'pool':
      await claims.releasePool(a);
      break;
    default:
      throw new Error(`no such operation: ${what}`);
  }
}

async function replay(t: Test, atomicAcrossKeys: boolean): Promise<void> {
  const {recorded, writes} = await cluster(atomicAcrossKeys);
  const clock = new FakeClock();
  const theirs = new Replay();
  const ours = new Replay();
  for (const {step, writes: expected} of STEPS) {
    const name = step.join(' ');
    // Blocks that are claimed one after the other begin with different numbers.
    await clock.advance(1);
    writes.length = 0;
    await perform(recorded, clock, step);
    const wanted = theirs.take(expected);
    const found = ours.take(writes);
    if (!atomicAcrossKeys && DIFFERENCES[name] === undefined) t.same(found, wanted, `the writes of ${name}`);
    t.same(ours.state(), theirs.state(), `the state after ${name}`);
  }
}

void t.test('key by key: the writes of Calico, in their order', (t) => replay(t, false));
void t.test('in transactions: the states of Calico', (t) => replay(t, true));

void t.test('a claim that is lost in the last moment is taken back, as Calico does', async (t) => {
  const {store, recorded, writes} = await cluster(false);
  const clock = new FakeClock();
  const rival = new BlockClaims({store: store.another(), clock, log: silentLogger});
  let isFirst = true;
  store.before = async (call) => {
    if (!isFirst || call.kind !== 'commit' || !call.operations[0]?.key.includes('/assignment/')) return;
    isFirst = false;
    await rival.claim('10.0.0.16/29', 'n1');
  };
  const {claimed, failed} = await new BlockClaims({store: recorded, clock, log: silentLogger}).claim(
    '10.0.0.16/29',
    'n2',
  );
  t.same({claimed, failed}, {claimed: [], failed: ['10.0.0.16/29']});
  const lost = STEPS.find(({step}) => step.join(' ') === 'claim 10.0.0.16/29 n2');
  const form = ({op, key, isCompared, isRefused}: Write) =>
    `${op} ${key}${op === 'delete' && isCompared === true ? ' compared' : ''}${isRefused === true ? ' refused' : ''}`;
  t.same(writes.map(form), lost?.writes.map(form));
});
