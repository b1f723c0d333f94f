/** The fake that other tests here stand on does what every store does. */
import t from 'tap';
import {storeContract} from '../../helpers/store-contract.ts';
import {MemoryStore} from './support/memory-store.ts';

const store = new MemoryStore({maxOps: 4096});
await storeContract(t, {
  name: 'memory',
  open: async () => ({own: store, other: store}),
  openAnother: async () => store.another({maxOps: 4096}),
});
