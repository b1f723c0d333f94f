/** Processes that share nothing but the folder: creating it together, and the contract with another one as writer. */
import {join} from 'node:path';
import t from 'tap';
import {EmbeddedStore} from '../../../src/datastore/embedded/embedded-store.ts';
import {systemClock} from '../../../src/lib/clock.ts';
import {silentLogger} from '../../../src/lib/log.ts';
import {storeContract} from '../../helpers/store-contract.ts';
import {startStoreProcess} from './support/store-process.ts';

const base = t.testdir();
const folder = join(base, 'store');
/** What the other process writes is heard of at once or not at all. */
const NEVER_MS = 2 ** 31 - 1;
const open = () => EmbeddedStore.open({folder, slowLookMs: NEVER_MS}, {clock: systemClock, log: silentLogger});
const other = await startStoreProcess(folder);
t.teardown(() => other.stop());

await t.test('many processes may create the store at once', async (t) => {
  const fresh = join(base, 'fresh');
  const processes = await Promise.all(Array.from({length: 4}, () => startStoreProcess(fresh)));
  t.teardown(() => Promise.all(processes.map((process) => process.stop())));
  await Promise.all(processes.map((process, i) => process.commit([{kind: 'create', key: `/a/${i}`, value: ''}])));
  for (const process of processes) t.equal((await process.list('/a/')).entries.length, processes.length);
});

await storeContract(t, {
  name: 'embedded, another process',
  open: async () => ({own: await open(), other}),
  openAnother: open,
});
