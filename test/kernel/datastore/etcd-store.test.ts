/** What is etcd's own: users and tokens, TLS, cursors and clusters, endpoints, and what is said when it cannot be reached. */
import {readFile} from 'node:fs/promises';
import {createServer} from 'node:http';
import {inspect} from 'node:util';
import t, {type Test} from 'tap';
import {EtcdStore, type EtcdStoreOptions} from '../../../src/datastore/etcd/etcd-store.ts';
import {type EtcdInput, parseEtcdSettings} from '../../../src/datastore/etcd/settings.ts';
import {openStore, parseStoreConfig} from '../../../src/datastore/open-store.ts';
import {systemClock} from '../../../src/lib/clock.ts';
import {codeOf, messageChain} from '../../../src/lib/errors.ts';
import {silentLogger} from '../../../src/lib/log.ts';
import {Authority, replaceFiles} from '../../helpers/certificates.ts';
import {EtcdServer, etcdctl, revisionNow} from '../../helpers/etcd-server.ts';
import {StoreWatcher} from '../../helpers/store-watcher.ts';
import {TcpProxy} from '../../helpers/tcp-proxy.ts';

t.setTimeout(120_000);

function open(t: Test, input: EtcdInput, options: Partial<EtcdStoreOptions> = {}): EtcdStore {
  const settings = parseEtcdSettings(input);
  const store = new EtcdStore({settings, dialMs: 1000, ...options}, {clock: systemClock, log: silentLogger});
  t.teardown(() => store.close());
  return store;
}

const put = (key: string, value = ''): {kind: 'put'; key: string; value: string} => ({kind: 'put', key, value});

await t.test('keys and values are exactly what etcd has', async (t) => {
  const server = await EtcdServer.start(t);
  const store = await openStore(parseStoreConfig({DATASTORE_TYPE: 'etcdv3', ETCD_ENDPOINTS: server.endpoint}), {
    clock: systemClock,
    log: silentLogger,
  });
  t.teardown(() => store.close());
  const key = '/calico/resources/v3/projectcalico.org/ippools/a';
  const {revisions} = await store.commit([{kind: 'create', key, value: '{"kind":"IPPool"}'}]);
  t.same(JSON.parse(await etcdctl(server, ['get', key, '-w', 'json'])), {
    ...JSON.parse(await etcdctl(server, ['get', key, '-w', 'json'])),
    kvs: [
      {
        key: Buffer.from(key).toString('base64'),
        value: Buffer.from('{"kind":"IPPool"}').toString('base64'),
        create_revision: Number(revisions[0]),
        mod_revision: Number(revisions[0]),
        version: 1,
      },
    ],
    count: 1,
  });
  t.equal((await store.list('/calico/')).cursor, String(await revisionNow(server)), 'a cursor is the revision');
  t.equal((await store.list('/elsewhere/')).cursor, String(await revisionNow(server)));
});

await t.test('revisions that are none match nothing', async (t) => {
  const server = await EtcdServer.start(t);
  const store = open(t, {endpoints: server.endpoint});
  const key = '/a';
  await store.commit([put(key, '1')]);
  // 0 is what etcd has for a key that does not exist.
  for (const revision of ['', '0', '-1', '01', 'x', '1e3', '9'.repeat(40)]) {
    await t.rejects(store.commit([{kind: 'update', key, value: '2', revision}]), {code: 'E_CONFLICT'});
    await t.rejects(store.commit([{kind: 'delete', key, revision}]), {code: 'E_CONFLICT'});
    await t.rejects(store.commit([{kind: 'update', key: '/none', value: '', revision}]), {code: 'E_NOT_FOUND'});
    await t.rejects(store.commit([{kind: 'check', key: '/none', revision}]), {code: 'E_CONFLICT'});
  }
  t.equal((await store.get(key))?.value, '1');
  for (const cursor of ['', 'x', '-1', '1@', '9'.repeat(40)]) {
    const watcher = StoreWatcher.from(store, cursor, '/');
    t.equal(codeOf(await watcher.ended), 'E_CURSOR_LOST', cursor);
  }
  await t.rejects(store.commit([put(key, 'x'.repeat(3 * 1024 * 1024))]), {code: 'E_UNSUPPORTED'}, 'beyond its limit');
});

await t.test('a user', async (t) => {
  const server = await EtcdServer.start(t, {flags: {'auth-token-ttl': '2'}});
  const {endpoint: endpoints} = server;
  const password = ' p\u00e4ss word';
  const user = {endpoints, username: 'felix', password};
  const early = open(t, user);
  await early.commit([put('/mine/a', '1')]);
  t.pass('a user that is not asked for does no harm');
  await etcdctl(server, ['user', 'add', '--interactive=false', `root:root`]);
  await etcdctl(server, ['user', 'add', '--interactive=false', `felix:${password}`]);
  await etcdctl(server, ['role', 'add', 'felix']);
  await etcdctl(server, ['role', 'grant-permission', '--prefix=true', 'felix', 'readwrite', '/mine/']);
  await etcdctl(server, ['user', 'grant-role', 'root', 'root']);
  await etcdctl(server, ['user', 'grant-role', 'felix', 'felix']);
  await etcdctl(server, ['auth', 'enable']);

  await t.test('rights', async (t) => {
    t.equal((await early.get('/mine/a'))?.value, '1', 'asked for from now on');
    const store = open(t, user);
    t.equal((await store.list('/mine/')).entries.length, 1);
    await t.rejects(store.get('/other'), {code: 'E_UNAUTHORISED', message: /permission denied/});
    await t.rejects(store.list('/'), {code: 'E_UNAUTHORISED'});
    await t.rejects(store.commit([put('/other')]), {code: 'E_UNAUTHORISED'});
    const {cursor} = await store.list('/mine/');
    t.equal(codeOf(await StoreWatcher.from(store, cursor, '/other/').ended), 'E_UNAUTHORISED');
    for (const input of [{endpoints}, {...user, password: 'wrong'}, {...user, username: 'nobody'}]) {
      const error: unknown = await open(t, input)
        .get('/mine/a')
        .catch((reason: unknown) => reason);
      t.equal(codeOf(error), 'E_UNAUTHORISED', JSON.stringify(input));
      t.match(messageChain(error), server.endpoint);
      t.notMatch(inspect(error, {depth: 9}), /wrong|ss word/, 'no password in an error');
    }
  });

  await t.test('a token that is no longer good is renewed', async (t) => {
    const store = open(t, user, {idleMs: 60_000});
    const watcher = await StoreWatcher.start(store, '/mine/');
    await store.commit([put('/mine/b', '1')]);
    await watcher.until(({content}) => content.get('/mine/b')?.value === '1');
    // Tokens are in the memory of the server.
    await server.kill();
    t.equal(codeOf(await watcher.ended), 'E_UNREACHABLE');
    await server.start();
    const again = await StoreWatcher.start(store, '/mine/');
    await again.until(({batches}) => batches > 0);
    await Promise.all(Array.from({length: 20}, (_, i) => store.commit([put(`/mine/c${i}`)])));
    await again.until(({content}) => content.has('/mine/c19'));
    // Users and roles changed: an old token is refused in another way.
    await etcdctl(server, ['role', 'add', 'another'], {user: 'root:root'});
    await Promise.all(Array.from({length: 20}, (_, i) => store.commit([put(`/mine/d${i}`)])));
    await again.until(({content}) => content.has('/mine/d19'));
    await again.stop();
  });

  await t.test('a watch with an old token gets a new one', async (t) => {
    const store = open(t, user);
    const {cursor} = await store.list('/mine/');
    await server.kill();
    await server.start();
    const watcher = StoreWatcher.from(store, cursor, '/mine/');
    await watcher.until(({batches}) => batches > 0);
    await watcher.stop();
  });
});

await t.test('TLS', async (t) => {
  const folder = t.testdir();
  const authority = await Authority.create(folder);
  const stranger = await Authority.create(folder, 'stranger');
  const ours = await authority.issue('client');
  const theirs = await stranger.issue('client');
  const server = await EtcdServer.start(t, {tls: await authority.issue('server')});
  const {endpoint: endpoints} = server;
  const files = {endpoints, keyFile: ours.key, certFile: ours.cert, caFile: ours.ca};

  await t.test('files, inline, and without a scheme', async (t) => {
    await open(t, files).commit([put('/a', '1')]);
    t.equal((await open(t, {...files, endpoints: `127.0.0.1:${server.port}`}).get('/a'))?.value, '1');
    const inline = {
      endpoints,
      key: await readFile(ours.key, 'utf8'),
      cert: await readFile(ours.cert, 'utf8'),
      ca: await readFile(ours.ca, 'utf8'),
    };
    t.equal((await open(t, inline).get('/a'))?.value, '1');
    const byName = `https://localhost:${server.port}`;
    t.equal((await open(t, {...files, endpoints: byName}).get('/a'))?.value, '1');
  });

  await t.test('what does not fit is refused, and says what and where', async (t) => {
    const cases: [string, EtcdInput, string, RegExp][] = [
      ['no certificate of ours', {endpoints, caFile: ours.ca}, 'E_UNAUTHORISED', /HTTP\/2 settings/],
      [
        'a certificate of strangers',
        {...files, keyFile: theirs.key, certFile: theirs.cert},
        'E_UNAUTHORISED',
        /settings/,
      ],
      ['another authority', {...files, caFile: theirs.ca}, 'E_UNAUTHORISED', /TLS handshake: .*certificate/],
      ['a file that is not there', {...files, keyFile: '/none'}, 'E_UNAUTHORISED', /ETCD_KEY_FILE.*ENOENT/],
      ['a key that is none', {...files, keyFile: ours.ca}, 'E_UNAUTHORISED', /cannot use what is in ETCD_KEY_FILE/],
      [
        'a key of another certificate',
        {...files, keyFile: theirs.key},
        'E_UNAUTHORISED',
        /cannot use what is in .*key values mismatch/,
      ],
      ['no TLS where it is wanted', {endpoints: `http://127.0.0.1:${server.port}`}, 'E_UNREACHABLE', /settings/],
    ];
    for (const [name, input, code, message] of cases) {
      const error: unknown = await open(t, input)
        .get('/a')
        .catch((reason: unknown) => reason);
      t.equal(codeOf(error), code, name);
      t.match(messageChain(error), message, name);
      t.match(messageChain(error), `127.0.0.1:${server.port}`, name);
      t.notMatch(inspect(error, {depth: 9}), /PRIVATE KEY/);
    }
    const plain = await EtcdServer.start(t);
    const wrong = open(t, {...files, endpoints: `https://127.0.0.1:${plain.port}`});
    await t.rejects(wrong.get('/a'), {code: 'E_UNREACHABLE', message: /TLS handshake/});
  });

  await t.test('keys are read again for each connection', async (t) => {
    const proxy = await TcpProxy.start(t, server.port);
    const client = await authority.issue('rotated');
    const store = open(t, {
      endpoints: `https://127.0.0.1:${proxy.port}`,
      keyFile: client.key,
      certFile: client.cert,
      caFile: client.ca,
    });
    await store.get('/a');
    await replaceFiles(client, theirs);
    await store.get('/a');
    t.pass('a connection goes on with what it was made with');
    proxy.sever();
    await t.rejects(store.get('/a'), {code: 'E_UNAUTHORISED'});
    await replaceFiles(client, await authority.issue('rotated'));
    t.equal((await store.get('/a'))?.value, '1');
  });
});

await t.test('a quiet prefix does not fall behind the history', async (t) => {
  const server = await EtcdServer.start(t, {flags: {'experimental-watch-progress-notify-interval': '100ms'}});
  const store = open(t, {endpoints: server.endpoint});
  const {cursor} = await store.list('/quiet/');
  let reached = cursor;
  for (let i = 0; i < 100; i++) await store.commit([put('/busy/a', String(i))]);
  const now = await revisionNow(server);
  for await (const batch of store.watch(['/quiet/'], cursor, {signal: new AbortController().signal})) {
    t.same(batch.updates, []);
    reached = batch.cursor;
    if (BigInt(reached) >= now) break;
  }
  await etcdctl(server, ['compact', String(now)]);
  t.equal(codeOf(await StoreWatcher.from(store, cursor, '/quiet/').ended), 'E_CURSOR_LOST');
  const watcher = StoreWatcher.from(store, reached, '/quiet/');
  await watcher.until(({batches}) => batches > 0);
  await store.commit([put('/quiet/a', '1')]);
  await watcher.until(({content}) => content.has('/quiet/a'));
  await watcher.stop();
});

await t.test('lost history is said before the watch is said to stand', async (t) => {
  const server = await EtcdServer.start(t);
  const store = open(t, {endpoints: server.endpoint});
  const {cursor} = await store.list('/');
  for (let i = 0; i < 10; i++) await store.commit([put('/a', String(i))]);
  await etcdctl(server, ['compact', String(await revisionNow(server))]);
  const watcher = StoreWatcher.from(store, cursor, '/');
  t.equal(codeOf(await watcher.ended), 'E_CURSOR_LOST');
  t.equal(watcher.batches, 0);
});

await t.test('an etcd made anew, or restored, has another history', async (t) => {
  const server = await EtcdServer.start(t);
  const store = open(t, {endpoints: server.endpoint});
  for (let i = 0; i < 10; i++) await store.commit([put('/a', String(i))]);
  const {cursor} = await store.list('/');
  await server.kill();
  await server.startAnew('etcd-cluster');
  t.equal(codeOf(await StoreWatcher.from(store, cursor, '/').ended), 'E_CURSOR_LOST', 'not there yet');
  await server.kill();
  await server.startAnew('another');
  for (let i = 0; i < 30; i++) await store.commit([put('/b', String(i))]);
  t.equal(codeOf(await StoreWatcher.from(store, cursor, '/').ended), 'E_CURSOR_LOST', 'there, by chance');
  const watcher = await StoreWatcher.start(store, '/');
  await watcher.until(({batches}) => batches > 0);
  await store.commit([put('/b', 'last')]);
  await watcher.until(({content}) => content.get('/b')?.value === 'last');
  t.notOk(watcher.content.has('/a'));
  await watcher.stop();
});

await t.test('several endpoints', async (t) => {
  const server = await EtcdServer.start(t);
  const dead = 'http://127.0.0.1:1';
  const closing = await TcpProxy.start(t, server.port);
  closing.close();
  const silent = await TcpProxy.start(t, server.port);
  silent.cut('to-client');
  const endpoints = [dead, `http://127.0.0.1:${closing.port}`, `http://127.0.0.1:${silent.port}`];
  const store = open(t, {endpoints: [...endpoints, server.endpoint].join()}, {dialMs: 300});
  await store.commit([put('/a', '1')]);
  t.equal((await store.get('/a'))?.value, '1', 'the one that answers is found');
  const none = open(t, {endpoints: endpoints.join()}, {dialMs: 300});
  const error: unknown = await none.get('/a').catch((reason: unknown) => reason);
  t.equal(codeOf(error), 'E_UNREACHABLE');
  for (const endpoint of endpoints) t.match(messageChain(error), endpoint, 'every endpoint is named');
  await t.rejects(none.get('/a', {deadlineMs: 50}), {code: 'E_DEADLINE', message: /connecting to http:.*/});
});

await t.test('a commit that may have been done is not repeated', async (t) => {
  const server = await EtcdServer.start(t);
  const proxy = await TcpProxy.start(t, server.port);
  const store = open(t, {endpoints: `http://127.0.0.1:${proxy.port}`});
  await store.commit([put('/before')]);
  proxy.cut('to-client');
  const unknown = store.commit([{kind: 'create', key: '/a', value: '1'}]);
  const done = open(t, {endpoints: server.endpoint});
  while ((await done.get('/a')) === undefined);
  proxy.sever();
  proxy.mend();
  await t.rejects(unknown, {code: 'E_UNREACHABLE'}, 'and not that it exists');
  // A read is: nobody notices that a connection broke.
  await store.get('/before');
  proxy.cut('to-client');
  const read = store.get('/a');
  while (proxy.heldBytes === 0) await new Promise((resolve) => setImmediate(resolve));
  proxy.sever();
  proxy.mend();
  t.equal((await read)?.value, '1');
});

await t.test('what is no etcd', async (t) => {
  const web = createServer((_, response) => response.end('hello'));
  await new Promise<void>((resolve) => web.listen(0, '127.0.0.1', resolve));
  t.teardown(() => web.close());
  const address = web.address();
  if (address === null || typeof address === 'string') throw new Error('no port');
  const store = open(t, {endpoints: `http://127.0.0.1:${address.port}`});
  await t.rejects(store.get('/a'), {code: 'E_UNREACHABLE'});
});

await t.test('after close nothing runs', async (t) => {
  const server = await EtcdServer.start(t);
  const before = process.getActiveResourcesInfo().length;
  const store = open(t, {endpoints: server.endpoint});
  const watchers = await Promise.all(Array.from({length: 5}, () => StoreWatcher.start(store, '/')));
  for (const watcher of watchers) await watcher.until(({batches}) => batches > 0);
  await server.freeze();
  const calls = Array.from({length: 5}, () => store.get('/a').catch((reason: unknown) => codeOf(reason)));
  await store.close();
  t.same(
    await Promise.all(calls),
    Array.from({length: 5}, () => 'E_ABORTED'),
  );
  for (const watcher of watchers) t.equal(codeOf(await watcher.ended), 'E_ABORTED');
  const connecting = open(t, {endpoints: server.endpoint});
  const call = connecting.get('/a').catch((reason: unknown) => codeOf(reason));
  await connecting.close();
  t.equal(await call, 'E_ABORTED');
  // What closing frees is freed by the event loop.
  for (let turn = 0; turn < 100 && process.getActiveResourcesInfo().length > before; turn++) {
    await new Promise((resolve) => setImmediate(resolve));
  }
  t.ok(process.getActiveResourcesInfo().length <= before, process.getActiveResourcesInfo().join());
  server.thaw();
});
