import {inspect} from 'node:util';
import t from 'tap';
import {resolveEndpoints} from '../../../src/datastore/etcd/discovery.ts';
import {type EtcdInput, parseEtcdSettings} from '../../../src/datastore/etcd/settings.ts';
import {parseStoreConfig} from '../../../src/datastore/open-store.ts';

const endpoints = 'http://10.0.0.1:2379';

await t.test('endpoints', async (t) => {
  const cases: [string, Partial<EtcdInput>, readonly object[]][] = [
    ['http://10.0.0.1:2379', {}, [{host: '10.0.0.1', port: 2379, isTls: false}]],
    [
      ' https://a.example:4001/ ,, http://b:80',
      {},
      [
        {host: 'a.example', port: 4001, isTls: true},
        {host: 'b', port: 80, isTls: false},
      ],
    ],
    ['https://a', {}, [{host: 'a', port: 2379, isTls: true}]],
    ['https://a:443', {}, [{host: 'a', port: 443, isTls: true}]],
    ['http://[fd00::1]:2379', {}, [{host: 'fd00::1', port: 2379, isTls: false}]],
    ['[fd00::1]', {}, [{host: 'fd00::1', port: 2379, isTls: false}]],
    ['10.0.0.1:2379', {}, [{host: '10.0.0.1', port: 2379, isTls: false}]],
    ['10.0.0.1:2379', {caFile: '/ca'}, [{host: '10.0.0.1', port: 2379, isTls: true}]],
  ];
  for (const [text, others, expected] of cases) {
    t.same(parseEtcdSettings({endpoints: text, ...others}).endpoints, expected, text);
  }
  const refused = [
    '',
    ' , ',
    'http://',
    'ftp://a',
    'unix:///a',
    'http://a/path',
    'http://a?b',
    'http://a:99999',
    'a b',
    '::1',
  ];
  for (const text of refused) {
    t.throws(() => parseEtcdSettings({endpoints: text}), {code: 'E_BAD_CONFIG', message: /^ETCD_ENDPOINTS/}, text);
  }
  for (const text of ['http://u:geheim@a', 'http://u:geheim@a:99999', 'u:geheim@a/b']) {
    t.throws(() => parseEtcdSettings({endpoints: text}), {message: /^ETCD_ENDPOINTS must not contain a user$/}, text);
  }
});

await t.test('a user needs a name and a password, and the password is never shown', async (t) => {
  t.equal(parseEtcdSettings({endpoints, username: 'u'}).user, undefined);
  t.equal(parseEtcdSettings({endpoints, password: 'p'}).user, undefined);
  const settings = parseEtcdSettings({endpoints, username: 'u', password: ' geheim '});
  t.equal(settings.user?.password.reveal(), ' geheim ');
  t.notMatch(
    `${JSON.stringify(settings)} ${inspect(settings, {depth: 9})} ${String(settings.user?.password)}`,
    /geheim/,
  );
});

await t.test('keys and certificates', async (t) => {
  const files = {keyFile: '/k', certFile: '/c', caFile: '/ca'};
  t.match(parseEtcdSettings({endpoints, ...files}).tls, {
    key: {kind: 'file', name: 'ETCD_KEY_FILE', path: '/k'},
    cert: {kind: 'file', name: 'ETCD_CERT_FILE', path: '/c'},
    ca: {kind: 'file', name: 'ETCD_CA_CERT_FILE', path: '/ca'},
  });
  const inline = parseEtcdSettings({endpoints, key: 'geheim', cert: 'c', ca: 'ca'});
  t.match(inline.tls, {key: {kind: 'inline'}, cert: {kind: 'inline'}, ca: {kind: 'inline'}});
  t.notMatch(`${JSON.stringify(inline)} ${inspect(inline, {depth: 9})}`, /geheim/);
  t.throws(() => parseEtcdSettings({endpoints, keyFile: '/k'}), {message: /^ETCD_KEY_FILE needs ETCD_CERT_FILE/});
  t.throws(() => parseEtcdSettings({endpoints, certFile: '/c'}), {message: /^ETCD_CERT_FILE needs ETCD_KEY_FILE/});
  t.throws(() => parseEtcdSettings({endpoints, ...files, key: 'k', cert: 'c'}), {message: /cannot be mixed/});
  t.throws(() => parseEtcdSettings({endpoints, caFile: '/\0'}), {message: /^ETCD_CA_CERT_FILE/});
});

await t.test('the environment', async (t) => {
  const environment = {
    DATASTORE_TYPE: 'etcdv3',
    ETCD_ENDPOINTS: 'http://ignored:1',
    CALICO_ETCD_ENDPOINTS: 'https://a:1',
    ETCD_USERNAME: 'u',
    ETCD_PASSWORD: 'p',
    ETCD_KEY_FILE: '/k',
    ETCD_CERT_FILE: '/c',
    ETCD_CA_CERT_FILE: '/ca',
    ETCD_DISCOVERY_SRV: '',
    ETCD_KEY: 'not of the environment',
  };
  t.match(parseStoreConfig(environment), {
    type: 'etcdv3',
    settings: {
      endpoints: [{host: 'a', port: 1, isTls: true}],
      user: {name: 'u'},
      tls: {key: {path: '/k'}, cert: {path: '/c'}, ca: {path: '/ca'}},
    },
  });
  const inline = parseStoreConfig({ETCD_ENDPOINTS: endpoints}, {etcdKey: 'k', etcdCert: 'c'});
  t.match(inline, {settings: {tls: {key: {kind: 'inline', name: 'etcdKey'}}}});
});

await t.test('discovery', async (t) => {
  const settings = parseStoreConfig({DATASTORE_TYPE: '', ETCD_DISCOVERY_SRV: 'example.org'});
  t.match(settings, {type: 'etcdv3', settings: {endpoints: {discoverySrv: 'example.org'}}});
  t.throws(() => parseEtcdSettings({endpoints, discoverySrv: 'a'}), {message: /ETCD_DISCOVERY_SRV.*ETCD_ENDPOINTS/});
  for (const discoverySrv of ['a b', 'http://a', '-'.repeat(64), 'a..b', 'a/b']) {
    t.throws(() => parseEtcdSettings({discoverySrv}), {message: /^ETCD_DISCOVERY_SRV/}, discoverySrv);
  }
  const records: Readonly<Record<string, {name: string; port: number}[]>> = {
    '_etcd-client-ssl._tcp.example.org': [{name: 'a.example.org', port: 2379}],
    '_etcd-client._tcp.example.org': [{name: 'b.example.org', port: 2380}],
    '_etcd-client._tcp.plain.org': [{name: 'c.plain.org', port: 1}],
  };
  const resolve = async (name: string) => {
    const found = records[name];
    if (found === undefined) throw new Error(`${name} is not there`);
    return found;
  };
  t.same(await resolveEndpoints({discoverySrv: 'example.org'}, resolve), [
    {host: 'a.example.org', port: 2379, isTls: true},
    {host: 'b.example.org', port: 2380, isTls: false},
  ]);
  t.same(await resolveEndpoints({discoverySrv: 'plain.org'}, resolve), [{host: 'c.plain.org', port: 1, isTls: false}]);
  await t.rejects(resolveEndpoints({discoverySrv: 'none.org'}, resolve), {
    message: /no SRV records of etcd in none.org/,
  });
});
