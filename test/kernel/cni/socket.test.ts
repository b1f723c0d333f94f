/** Whatever comes over the socket: turned away without harm, counted, and the next call is served as if nothing had been. */
import {execFileSync, spawn} from 'node:child_process';
import {randomInt} from 'node:crypto';
import {once} from 'node:events';
import {chmodSync, mkdirSync, mkdtempSync, rmSync, statSync, writeFileSync} from 'node:fs';
import {connect, createServer, type Socket} from 'node:net';
import {tmpdir} from 'node:os';
import {join} from 'node:path';
import t from 'tap';
import {hasCode} from '../../../src/lib/errors.ts';
import {LIMITS} from '../../../src/native/shim-protocol.ts';
import {createRandom} from '../../helpers/random.ts';
import {runPlugin} from './support/run-plugin.ts';
import {Pod, TestAgent} from './support/test-agent.ts';

t.setTimeout(120_000);

let agent: TestAgent;
let pod: Pod;

t.before(async () => {
  agent = await TestAgent.start();
  pod = new Pod('victim');
  await agent.add(pod);
  await agent.del(pod);
});
t.teardown(async () => {
  pod[Symbol.dispose]();
  await agent.dispose();
});

const open = async (): Promise<Socket> => {
  const socket = connect(agent.socketPath);
  socket.on('error', () => undefined);
  await once(socket, 'connect');
  return socket;
};

/** Sends, and resolves to what comes back until the server closes. */
async function send(bytes: Uint8Array, options: {readonly end?: boolean} = {}): Promise<Buffer> {
  const socket = await open();
  const chunks: Buffer[] = [];
  socket.on('data', (chunk: Buffer) => chunks.push(chunk));
  socket.write(bytes);
  if (options.end === true) socket.end();
  await once(socket, 'close');
  return Buffer.concat(chunks);
}

const refusals = async (cause: string): Promise<number> => {
  const text = await agent.registry.metrics();
  return Number(
    new RegExp(`^calico_cni_refused_connections_total\\{cause="${cause}"\\} (\\d+)$`, 'm').exec(text)?.[1] ?? 0,
  );
};

void t.test('the folder is for root alone, and so is the socket', async (t) => {
  t.equal(statSync(join(agent.folder, 'cni')).mode & 0o777, 0o700);
  t.equal(statSync(agent.socketPath).mode & 0o777, 0o600);
});

void t.test('garbage and half messages', async (t) => {
  const {descriptors} = await agent.state();
  const seed = Number(process.env.TEST_SEED ?? randomInt(2 ** 32));
  const random = createRandom(seed);
  const before = await refusals('protocol');
  for (let round = 0; round < 40; round++) {
    const bytes = Uint8Array.from({length: 1 + Math.floor(random.next() * 4000)}, () =>
      Math.floor(random.next() * 256),
    );
    await send(bytes, {end: true});
  }
  t.ok((await refusals('protocol')) > before, `seed ${seed}`);
  const header = Buffer.alloc(12);
  header.writeUInt32BE(0x43434e49, 0);
  header.writeUInt16BE(1, 4);
  header.writeUInt16BE(1, 6);
  header.writeUInt32BE(100, 8);
  // Garbage shorter than a header has been broken off too.
  const brokenOff = await refusals('broken-off');
  await send(header, {end: true});
  t.equal(await refusals('broken-off'), brokenOff + 1);
  header.writeUInt32BE(LIMITS.MAX_PAYLOAD + 1, 8);
  t.match((await send(header)).toString(), /too long/, 'told why');
  header.writeUInt16BE(9, 4);
  t.match((await send(header)).toString(), /another version/, 'told why');
  await send(new Uint8Array(), {end: true});
  t.equal((await agent.state()).descriptors, descriptors, 'no descriptor is left');
  await agent.add(pod);
  await agent.del(pod);
});

void t.test('descriptors nobody asked for', async (t) => {
  const {descriptors} = await agent.state();
  // Python can pass descriptors, Node cannot.
  const script = `
import array, socket, struct, sys, os
count, announced = int(sys.argv[2]), sys.argv[3] == 'yes'
def field(tag, data): return struct.pack('>HI', tag, len(data)) + data
payload = field(1, b'calico') + field(2, b'CNI_COMMAND=ADD') + field(3, b'{}')
if announced: payload += field(4, struct.pack('>I', 0))
s = socket.socket(socket.AF_UNIX); s.connect(sys.argv[1])
fds = [os.open('/proc/self/ns/net', os.O_RDONLY) for _ in range(count)]
frame = struct.pack('>IHHI', 0x43434e49, 1, 1, len(payload)) + payload
s.sendmsg([frame], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array('i', fds))] if fds else [])
sys.stdout.buffer.write(s.recv(65536))`;
  const attempt = (count: number, announced: 'yes' | 'no') =>
    new Promise<string>((resolve) => {
      const child = spawn('python3', ['-c', script, agent.socketPath, String(count), announced]);
      let output = '';
      child.stdout.on('data', (chunk: Buffer) => {
        output += chunk.toString('latin1');
      });
      child.on('close', () => resolve(output));
    });
  t.match(await attempt(2, 'yes'), /more descriptors/);
  t.match(await attempt(20, 'yes'), /more descriptors/);
  t.match(await attempt(1, 'no'), /missing or was not announced/);
  t.match(await attempt(0, 'yes'), /missing or was not announced/);
  t.equal((await agent.state()).descriptors, descriptors, 'no descriptor is left');
});

void t.test('only root is let in', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'cni-open-'));
  const before = await refusals('credentials');
  // The folder keeps others out already: opened for this test only.
  chmodSync(agent.folder, 0o755);
  chmodSync(join(agent.folder, 'cni'), 0o755);
  chmodSync(agent.socketPath, 0o666);
  const child = spawn(
    'python3',
    [
      '-c',
      'import socket,sys; s=socket.socket(socket.AF_UNIX); s.connect(sys.argv[1]); sys.stdout.write(str(len(s.recv(10))))',
      agent.socketPath,
    ],
    {uid: 65534, gid: 65534},
  );
  let output = '';
  child.stdout.on('data', (chunk: Buffer) => {
    output += chunk.toString();
  });
  await once(child, 'close');
  chmodSync(agent.socketPath, 0o600);
  chmodSync(join(agent.folder, 'cni'), 0o700);
  t.equal(output, '0', 'closed without an answer');
  t.equal(await refusals('credentials'), before + 1);
  rmSync(folder, {recursive: true});
});

void t.test('a flood of idle connections: the rest waits for its turn, the flood ends', async (t) => {
  const sockets: Socket[] = [];
  for (let i = 0; i < 64 + 192; i++) sockets.push(await open());
  t.equal(agent.server.openCalls, 256);
  const before = await refusals('too-many');
  const late = await runPlugin({
    env: {CNI_COMMAND: 'ADD', CNI_CONTAINERID: 'late', CNI_NETNS: pod.path, CNI_IFNAME: 'eth0', CNI_PATH: '/'},
    stdin: agent.config(),
  });
  t.match(late.stdout, /"code": 11/);
  t.equal(await refusals('too-many'), before + 1);
  for (const socket of sockets) socket.destroy();
  await agent.add(pod);
  await agent.del(pod);
});

void t.test('input beyond every limit', async (t) => {
  const {descriptors} = await agent.state();
  const long = 'n'.repeat(10_000);
  const code = async (options: {env?: Record<string, string>; stdin?: string; config?: Record<string, unknown>}) => {
    const {stdout} = await agent.call('ADD', pod, options);
    return (JSON.parse(stdout) as {code: number}).code;
  };
  t.equal(
    await code({
      stdin: `{"agent_socket": "${agent.socketPath}", "name": "x", "fill": "${'x'.repeat(10 * 1024 * 1024)}"}`,
    }),
    7,
  );
  t.equal(await code({config: {name: long}}), 999);
  t.equal(await code({env: {CNI_CONTAINERID: long}}), 999);
  t.equal(await code({env: {CNI_ARGS: `K8S_POD_NAME=${long};K8S_POD_NAMESPACE=ns`}}), 999);
  t.equal(await code({env: {CNI_ARGS: 'K8S_POD_NAME=a/b;K8S_POD_NAMESPACE=ns'}}), 999);
  t.equal(await code({env: {CNI_IFNAME: long}}), 4);
  t.equal(await code({env: {CNI_IFNAME: 'eth0\u0001'}}), 4);
  t.equal(await code({config: {name: '__proto__'}}), 7);
  t.equal(
    await code({
      config: {ipam: JSON.parse('{"type": "calico-ipam", "__proto__": {"ipv4_pools": ["nope"]}, "ipv4_pools": [1]}')},
    }),
    999,
  );
  let deep: unknown = 0;
  for (let i = 0; i < 200; i++) deep = [deep];
  t.equal(await code({config: {deep}}), 6);
  for (const containerId of [long, 'x'.repeat(254)])
    t.equal((await agent.call('DEL', pod, {env: {CNI_CONTAINERID: containerId}})).code, 0);
  const {endpoints, handles, links, descriptors: after} = await agent.state();
  t.same({endpoints, handles, links, after}, {endpoints: [], handles: [], links: [], after: descriptors});
});

void t.test('names that mean something to JavaScript', async (t) => {
  for (const name of ['constructor', 'toString', 'valueof']) {
    const env = {CNI_ARGS: `K8S_POD_NAME=${name.toLowerCase()};K8S_POD_NAMESPACE=constructor`, CNI_CONTAINERID: name};
    const {ips} = await agent.add(pod, {env});
    t.same(pod.addresses(), [ips[0]?.address]);
    await agent.del(pod, {env});
  }
});

void t.test('a second agent does not take the socket of a living one, but that of a dead one', async (t) => {
  const other = await TestAgent.start({socketFolder: join(agent.folder, 'cni'), nodeName: 'node2'}).catch(
    (error: unknown) => error,
  );
  t.ok(hasCode(other, 'E_EXISTS'));

  const folder = mkdtempSync(join(tmpdir(), 'cni-stale-'));
  mkdirSync(join(folder, 'cni'), {mode: 0o700});
  const path = join(folder, 'cni', 'cni.sock');
  const stale = createServer().listen(path);
  await once(stale, 'listening');
  execFileSync('cp', ['-a', path, `${path}.kept`]);
  stale.close();
  await once(stale, 'close');
  execFileSync('mv', [`${path}.kept`, path]);
  const heir = await TestAgent.start({storeFolder: folder});
  await heir.add(pod);
  await heir.del(pod);
  await heir.dispose();

  writeFileSync(path, 'no socket');
  const refused = await TestAgent.start({storeFolder: folder}).catch((error: unknown) => error);
  t.ok(hasCode(refused, 'E_FILE'));
  rmSync(folder, {recursive: true});
});
