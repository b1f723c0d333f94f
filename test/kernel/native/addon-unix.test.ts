import {execFileSync, spawn} from 'node:child_process';
import {once} from 'node:events';
import {closeSync, fstatSync, readdirSync, statSync} from 'node:fs';
import {connect, type Socket} from 'node:net';
import {join} from 'node:path';
import {setImmediate as turn} from 'node:timers/promises';
import t from 'tap';
import type {UnixConnection, UnixListener} from '../../../src/native/addon.ts';
import {addon, sanitized} from './support/builds.ts';
import {removeAll, scratchFolder} from './support/namespaces.ts';
import {startPeer} from './support/peer.ts';

t.teardown(removeAll);
let count = 0;
const newPath = (): string => join(scratchFolder(), `s${count++}`);
const openDescriptors = (): number => readdirSync('/proc/self/fd').length;
const options = {mode: 0o600, backlog: 16};

/** A listener and a way to wait for its next connection. */
class Server {
  readonly path = newPath();
  readonly listener: UnixListener;
  readonly #waiting: ((connection: UnixConnection) => void)[] = [];
  readonly #arrived: UnixConnection[] = [];

  constructor() {
    this.listener = addon.listenUnix(this.path, options, (connection) => {
      const waiting = this.#waiting.shift();
      if (waiting) waiting(connection);
      else this.#arrived.push(connection);
    });
  }

  next(): Promise<UnixConnection> {
    const arrived = this.#arrived.shift();
    return arrived ? Promise.resolve(arrived) : new Promise((resolve) => this.#waiting.push(resolve));
  }
}

interface Piece {
  readonly text: string;
  readonly fds: readonly number[];
  readonly truncated: boolean;
}

/** The next `wanted` pieces of a connection. */
const read = (connection: UnixConnection, wanted: number): Promise<Piece[]> =>
  new Promise((resolve) => {
    const pieces: Piece[] = [];
    connection.read((data, fds, truncated) => {
      pieces.push({text: Buffer.from(data).toString(), fds, truncated});
      if (pieces.length === wanted) resolve(pieces);
    });
  });

const pair = async (server: Server): Promise<[UnixConnection, Socket]> => {
  const client = connect(server.path);
  await once(client, 'connect');
  return [await server.next(), client];
};

void t.test('the file has its mode from the first moment, whatever the umask', async (t) => {
  const before = process.umask(0);
  for (const mode of [0o600, 0o660, 0o666, 0o000]) {
    const path = newPath();
    const listener = addon.listenUnix(path, {mode, backlog: 1}, () => {});
    t.equal(statSync(path).mode & 0o7777, mode);
    t.throws(() => addon.listenUnix(path, options, () => {}), {code: 'EADDRINUSE', syscall: 'bind'});
    listener.close();
    t.ok(statSync(path).isSocket(), 'the file stays');
  }
  t.equal(process.umask(before), 0, 'the umask is what it was');
  t.throws(() => addon.listenUnix(join(scratchFolder(), 'none/s'), options, () => {}), {code: 'ENOENT'});
  t.throws(() => addon.listenUnix(`/${'x'.repeat(107)}`, options, () => {}), TypeError);
});

void t.test('credentials, data both ways, the end', async (t) => {
  const server = new Server();
  const [connection, client] = await pair(server);
  t.same(connection.credentials, {pid: process.pid, uid: process.getuid?.(), gid: process.getgid?.()});
  client.end('hello');
  const pieces = await read(connection, 2);
  t.same(pieces, [
    {text: 'hello', fds: [], truncated: false},
    {text: '', fds: [], truncated: false},
  ]);
  const answer = once(client, 'data');
  await connection.write(Buffer.from('after the end'));
  t.equal(String((await answer)[0]), 'after the end');
  t.throws(() => connection.read(() => {}), {code: 'EBUSY'});
  const closed = once(client, 'close');
  connection.close();
  connection.close();
  await closed;
  await t.rejects(connection.write(Buffer.from('x')), {code: 'EBADF'});
  t.throws(() => connection.read(() => {}), {code: 'EBADF'});
  server.listener.close();
  server.listener.close();
});

void t.test('descriptors arrive, close-on-exec, and no more than allowed', async (t) => {
  const server = new Server();
  const before = openDescriptors();
  for (const [sent, received] of [
    [0, 0],
    [1, 1],
    [4, 4],
    [5, 0],
    [253, 0],
  ]) {
    const peer = startPeer('descriptors', server.path, String(sent));
    const connection = await server.next();
    const [piece] = await read(connection, 1);
    t.equal(connection.credentials.pid, peer.pid);
    t.same([piece?.text, piece?.fds.length, piece?.truncated], ['x', received, (sent ?? 0) > 4], `${sent} sent`);
    for (const fd of piece?.fds ?? []) {
      t.ok(fstatSync(fd).isCharacterDevice());
      t.equal(
        execFileSync('grep', ['flags', `/proc/${process.pid}/fdinfo/${fd}`], {encoding: 'utf8'}),
        'flags:\t02100000\n',
      );
      closeSync(fd);
    }
    connection.close();
    await once(peer, 'exit');
  }
  const peer = startPeer('two', server.path);
  const connection = await server.next();
  const pieces = await read(connection, 2);
  t.same(
    pieces.map(({fds}) => fds.length),
    [1, 1],
    'descriptors stay with their bytes',
  );
  for (const {fds} of pieces) for (const fd of fds) closeSync(fd);
  connection.close();
  await once(peer, 'exit');
  t.equal(openDescriptors(), before);
  server.listener.close();
});

void t.test('a peer that does not read holds up the writer, in order and without loss', async (t) => {
  const server = new Server();
  const [connection, client] = await pair(server);
  client.pause();
  const done: number[] = [];
  const size = 1 << 20;
  const writes = Array.from({length: 8}, (_, i) =>
    connection.write(new Uint8Array(size).fill(i)).then(() => done.push(i)),
  );
  await turn();
  t.ok(done.length < 8, `${done.length} of 8 at once`);
  let total = 0;
  let inOrder = true;
  client.on('data', (data: Buffer) => {
    for (let i = 0; i < data.length; i += 4096) inOrder &&= data[i] === Math.floor((total + i) / size);
    total += data.length;
    if (total === 8 * size) client.emit('complete');
  });
  client.resume();
  await Promise.all([...writes, once(client, 'complete')]);
  t.ok(inOrder);
  t.same(done, [0, 1, 2, 3, 4, 5, 6, 7]);

  client.pause();
  const waiting = connection.write(new Uint8Array(10 << 20));
  await t.rejects(connection.write(new Uint8Array(10 << 20)), {code: 'ENOBUFS'}, 'the queue has a limit');
  connection.close();
  await t.rejects(waiting, {code: 'ECANCELED'});
  await once(client.destroy(), 'close');
  server.listener.close();
});

void t.test('a peer that is gone', async (t) => {
  const server = new Server();
  const [connection, client] = await pair(server);
  const waiting = connection.write(new Uint8Array(4 << 20));
  client.destroy();
  await t.rejects(waiting, /EPIPE|ECONNRESET/);
  await t.rejects(connection.write(new Uint8Array(1)), {code: 'EPIPE', syscall: 'send'});
  const [end] = await read(connection, 1);
  t.equal(end?.text, '');
  connection.close();
  server.listener.close();
});

void t.test('close inside every callback', async (t) => {
  const before = openDescriptors();
  const path = newPath();
  const ended = new Promise<void>((resolve) => {
    const listener = addon.listenUnix(path, options, (connection) => {
      listener.close();
      connection.read(() => {
        void connection.write(Buffer.from('y')).then(() => resolve());
        connection.close();
      });
    });
  });
  const client = connect(path, () => client.write('x'));
  client.resume();
  await Promise.all([ended, once(client, 'close')]);
  t.equal(openDescriptors(), before);
});

void t.test('large input comes in bounded pieces', async (t) => {
  const server = new Server();
  const [connection, client] = await pair(server);
  let total = 0;
  let largest = 0;
  const end = new Promise<void>((resolve) => {
    connection.read((data) => {
      total += data.length;
      largest = Math.max(largest, data.length);
      if (data.length === 0) resolve();
    });
  });
  client.end(new Uint8Array(10 << 20));
  await end;
  t.equal(total, 10 << 20);
  t.ok(largest <= 65_536);
  client.resume();
  const closed = once(client, 'close');
  connection.close();
  await closed;
  server.listener.close();
});

void t.test('thousands of connections leave no descriptor behind', async (t) => {
  const server = new Server();
  const before = openDescriptors();
  for (let i = 0; i < 1000; i++) {
    const [connection, client] = await pair(server);
    if (i % 3 === 0) connection.read(() => {});
    if (i % 3 === 1) await connection.write(Buffer.from('x'));
    const closed = once(client, 'close');
    client.resume();
    connection.close();
    await closed;
  }
  t.equal(openDescriptors(), before);
  server.listener.close();
});

/** A program of its own, with the addon and `path` to use. */
const programWithAddon = (body: string): readonly string[] => [
  '--expose-gc',
  '--input-type=module',
  '-e',
  `import {connect} from 'node:net';
   import {closeSync, openSync} from 'node:fs';
   const {addon} = await import(${JSON.stringify(new URL('support/builds.ts', import.meta.url).href)});
   const path = process.argv[1];
   ${body}`,
  newPath(),
];

const notSanitized = {skip: sanitized && 'needs a collector at full speed'};
void t.test(
  'a connection that nobody refers to closes itself, but not before it has written',
  notSanitized,
  async (t) => {
    const program = programWithAddon(`
    let mode = 'idle';
    const listener = addon.listenUnix(path, {mode: 0o600, backlog: 1}, (connection) => {
      if (mode === 'writing') void connection.write(new Uint8Array(8 << 20));
    });
    const idle = connect(path).resume();
    const timer = setInterval(() => globalThis.gc(), 1);
    await new Promise((resolve) => idle.on('close', resolve));
    mode = 'writing';
    const reader = connect(path);
    await new Promise((resolve) => { let turns = 0; setInterval(function () { if (++turns === 20) { clearInterval(this); resolve(); } }, 1); });
    let total = 0;
    reader.on('data', (data) => { total += data.length; });
    await new Promise((resolve) => reader.on('close', resolve));
    clearInterval(timer);
    listener.close();
    if (total !== 8 << 20) throw new Error(total + ' bytes');`);
    execFileSync(process.execPath, program, {timeout: 60_000});
    t.pass('the client saw the end');
  },
);

void t.test('without free descriptors a peer is turned away at once, and later ones are served', async (t) => {
  const program = programWithAddon(`
    const taken = [];
    const listener = addon.listenUnix(path, {mode: 0o600, backlog: 8}, (connection) => {
      void connection.write(Buffer.from('served')).then(() => { connection.close(); listener.close(); });
    });
    try { for (;;) taken.push(openSync('/dev/null')); } catch {}
    process.stdout.write('full');
    process.stdin.once('data', () => {
      for (const fd of taken) closeSync(fd);
      process.stdout.write('free');
      process.stdin.destroy();
    });`);
  const path = program.at(-1) ?? '';
  const child = spawn('prlimit', ['--nofile=64', process.execPath, ...program], {stdio: ['pipe', 'pipe', 'inherit']});
  t.equal(String((await once(child.stdout, 'data'))[0]), 'full');
  const refused = connect(path);
  refused.resume();
  await once(refused, 'close');
  child.stdin.write('x');
  t.equal(String((await once(child.stdout, 'data'))[0]), 'free');
  const served = connect(path);
  t.equal(String((await once(served, 'data'))[0]), 'served');
  served.destroy();
  t.same(await once(child, 'exit'), [0, null]);
});
