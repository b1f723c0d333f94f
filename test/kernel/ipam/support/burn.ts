/**
 * The fire suite on one store, as the two test files run it.
 *
 * IPAM_FIRE_OPERATIONS and IPAM_FIRE_SEEDS make it burn longer. TEST_SEED repeats the requests and deaths; how the
 * processes interleave is theirs.
 */
import {mkdtempSync, rmSync} from 'node:fs';
import {tmpdir} from 'node:os';
import {join} from 'node:path';
import t, {type Test} from 'tap';
import {openStore, parseStoreConfig} from '../../../../src/datastore/open-store.ts';
import {systemClock} from '../../../../src/lib/clock.ts';
import {silentLogger} from '../../../../src/lib/log.ts';
import {forAll, type Random} from '../../../helpers/random.ts';
import {Fire} from './fire.ts';
import {environmentOf, type StoreAddress} from './protocol.ts';

const OPERATIONS = Number(process.env.IPAM_FIRE_OPERATIONS ?? 1000);
const SEEDS = Number(process.env.IPAM_FIRE_SEEDS ?? 1);
const NODES = 8;
const ROUNDS = 3;
/** Boundaries between calls of the store; an operation has some ten. */
const LONGEST_LIFE = 1200;
/** What happens is tested, not how fast: a busy machine has time. */
const OPEN_DEADLINE_MS = 120_000;

/** Whether a node writes in transactions; the others write key by key, as Calico's programs do. */
export type Way = (place: number) => boolean;
export const inTransactions: Way = () => true;
export const halfKeyByKey: Way = (place) => place % 2 === 0;
export const keyByKey: Way = () => false;

/** Declares the test. `start` makes an empty store for each seed. */
export function testFire(name: string, isAtomic: Way, start: (t: Test) => Promise<StoreAddress>): void {
  t.setTimeout(0);
  shareCompiledCode();
  void t.test(`eight processes on ${name}, killed at random`, (t) =>
    forAll(SEEDS, async (random) => burn(t, await start(t), isAtomic, random)),
  );
}

async function burn(t: Test, address: StoreAddress, isAtomic: Way, random: Random): Promise<void> {
  const store = await openStore(
    parseStoreConfig(environmentOf(address)),
    {clock: systemClock, log: silentLogger},
    {deadlineMs: OPEN_DEADLINE_MS},
  );
  t.teardown(() => store.close());
  const ways = Array.from({length: NODES}, (_, place) => isAtomic(place));
  const options = {address, isAtomic: ways, operations: OPERATIONS, rounds: ROUNDS, longestLife: LONGEST_LIFE};
  const result = await Fire.burn(t, options, {store, random});
  t.comment(JSON.stringify(result));
  for (const kind of ['added', 'refused', 'removed', 'tunnel']) t.ok((result.seen[kind] ?? 0) > 0, `${kind} was seen`);
  t.ok(result.kills > 0, 'some were killed');
}

/** Workers start often: what the first one compiled, the others load. */
function shareCompiledCode(): void {
  if (process.env.NODE_COMPILE_CACHE !== undefined) return;
  const cache = mkdtempSync(join(tmpdir(), 'ct-ipam-code-'));
  t.teardown(() => rmSync(cache, {recursive: true, force: true}));
  process.env.NODE_COMPILE_CACHE = cache;
}
