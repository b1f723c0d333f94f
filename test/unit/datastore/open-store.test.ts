import {join} from 'node:path';
import t from 'tap';
import {openStore, parseStoreConfig} from '../../../src/datastore/open-store.ts';
import {systemClock} from '../../../src/lib/clock.ts';
import {silentLogger} from '../../../src/lib/log.ts';

await t.test('settings', (t) => {
  t.same(parseStoreConfig({DATASTORE_TYPE: 'embedded'}), {type: 'embedded', folder: '/var/lib/calico/store'});
  t.same(parseStoreConfig({DATASTORE_TYPE: ' embedded ', CALICO_STORE: '/srv/store'}), {
    type: 'embedded',
    folder: '/srv/store',
  });
  t.same(parseStoreConfig({DATASTORE_TYPE: 'embedded', CALICO_STORE: ''}).type, 'embedded');
  t.throws(() => parseStoreConfig({DATASTORE_TYPE: 'etcdv3'}), {code: 'E_BAD_CONFIG', message: /^ETCD_ENDPOINTS must/});
  t.same(parseStoreConfig({DATASTORE_TYPE: 'kubernetes'}), {type: 'kubernetes'});
  t.same(parseStoreConfig({}), {type: 'kubernetes'});
  for (const name of ['ETCD_ENDPOINTS', 'CALICO_ETCD_ENDPOINTS']) {
    t.match(parseStoreConfig({DATASTORE_TYPE: '', [name]: 'http://10.0.0.1:2379'}), {
      type: 'etcdv3',
      settings: {endpoints: [{host: '10.0.0.1', port: 2379, isTls: false}]},
    });
  }
  t.throws(() => parseStoreConfig({DATASTORE_TYPE: 'etcd'}), {
    code: 'E_BAD_CONFIG',
    message: /DATASTORE_TYPE is "etcd"/,
  });
  for (const folder of ['store', './store', '/srv/\0store']) {
    t.throws(() => parseStoreConfig({DATASTORE_TYPE: 'embedded', CALICO_STORE: folder}), {
      code: 'E_BAD_CONFIG',
      message: /CALICO_STORE/,
    });
  }
  t.end();
});

await t.test('opening', async (t) => {
  const dependencies = {clock: systemClock, log: silentLogger};
  const store = await openStore({type: 'embedded', folder: join(t.testdir(), 'store')}, dependencies);
  t.equal(await store.get('/none'), undefined);
  await store.close();
  await t.rejects(openStore({type: 'kubernetes'}, dependencies), {code: 'E_UNSUPPORTED', message: /embedded/});
  // Nobody listens there, and nobody is asked before a call is made.
  const etcd = await openStore(parseStoreConfig({ETCD_ENDPOINTS: 'http://127.0.0.1:1'}), dependencies);
  await t.rejects(etcd.get('/none'), {code: 'E_UNREACHABLE', message: /http:\/\/127\.0\.0\.1:1: connect/});
  await etcd.close();
});
