/** The contract suite on the embedded store, with one handle and with a second one on the same folder. */

import {join} from 'node:path';
import {DatabaseSync} from 'node:sqlite';
import t, {type Test} from 'tap';
import {EmbeddedStore} from '../../../src/datastore/embedded/embedded-store.ts';
import type {Store} from '../../../src/datastore/store.ts';
import {systemClock} from '../../../src/lib/clock.ts';
import {silentLogger} from '../../../src/lib/log.ts';
import {type StoreSubject, storeContract} from '../../helpers/store-contract.ts';

const HISTORY_LIMIT = 2000;
/** What the other handle writes is heard of at once or not at all. */
const NEVER_MS = 2 ** 31 - 1;

async function open(t: Test, folder: string): Promise<EmbeddedStore> {
  const options = {folder, historyLimit: HISTORY_LIMIT, slowLookMs: NEVER_MS};
  const store = await EmbeddedStore.open(options, {clock: systemClock, log: silentLogger});
  t.teardown(() => store.close());
  return store;
}

function embedded(name: string, folder: string, hasSecondHandle: boolean): StoreSubject {
  return {
    name,
    async open(t) {
      const own = await open(t, folder);
      return {own, other: hasSecondHandle ? await open(t, folder) : own};
    },
    openAnother: (t) => open(t, folder),
    async stall(t) {
      const connection = new DatabaseSync(join(folder, 'store.db'), {timeout: 1000});
      t.teardown(() => connection.close());
      connection.exec('BEGIN IMMEDIATE');
      return () => connection.exec('ROLLBACK');
    },
    async forgetHistory(own: Store) {
      for (let i = 0; i <= HISTORY_LIMIT; i += 500) {
        const puts = Array.from({length: 500}, () => crypto.randomUUID());
        await own.commit(puts.map((name) => ({kind: 'put', key: `/filler/${name}`, value: ''})));
      }
    },
  };
}

await storeContract(t, embedded('embedded, one handle', join(t.testdir(), 'store'), false));
await storeContract(t, embedded('embedded, two handles', join(t.testdir(), 'store'), true));
