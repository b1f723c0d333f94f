/** The contract suite with the other writer in a process of its own: nothing shared but the folder. */
import {join} from 'node:path';
import t from 'tap';
import {EmbeddedStore} from '../../../src/datastore/embedded/embedded-store.ts';
import {systemClock} from '../../../src/lib/clock.ts';
import {silentLogger} from '../../../src/lib/log.ts';
import {storeContract} from '../../helpers/store-contract.ts';
import {startStoreProcess} from './support/store-process.ts';

const folder = join(t.testdir(), 'store');
/** What the other process writes is heard of at once or not at all. */
const NEVER_MS = 2 ** 31 - 1;
const open = () => EmbeddedStore.open({folder, slowLookMs: NEVER_MS}, {clock: systemClock, log: silentLogger});
const other = await startStoreProcess(folder);
t.teardown(() => other.stop());

await storeContract(t, {
  name: 'embedded, another process',
  open: async () => ({own: await open(), other}),
  openAnother: open,
});
