/** The contract suite on a real etcd, with one handle and with a second one. */
import t, {type Test} from 'tap';
import {EtcdStore} from '../../../src/datastore/etcd/etcd-store.ts';
import {parseEtcdSettings} from '../../../src/datastore/etcd/settings.ts';
import {systemClock} from '../../../src/lib/clock.ts';
import {silentLogger} from '../../../src/lib/log.ts';
import {EtcdServer, etcdctl, revisionNow} from '../../helpers/etcd-server.ts';
import {type StoreSubject, storeContract} from '../../helpers/store-contract.ts';

const server = await EtcdServer.start(t);

function open(t: Test): EtcdStore {
  const settings = parseEtcdSettings({endpoints: server.endpoint});
  const store = new EtcdStore({settings}, {clock: systemClock, log: silentLogger});
  t.teardown(() => store.close());
  return store;
}

function etcd(name: string, hasSecondHandle: boolean): StoreSubject {
  return {
    name,
    async open(t) {
      const own = open(t);
      return {own, other: hasSecondHandle ? open(t) : own};
    },
    openAnother: async (t) => open(t),
    async stall(t) {
      t.teardown(() => server.thaw());
      await server.freeze();
      return () => server.thaw();
    },
    async forgetHistory() {
      await etcdctl(server, ['compact', String(await revisionNow(server))]);
    },
  };
}

await storeContract(t, etcd('etcd, one handle', false));
await storeContract(t, etcd('etcd, two handles', true));
