/** Whatever the agent does wrong, the runtime gets a CNI error in bounded time and nothing else on standard output. */
import {execFileSync, spawn} from 'node:child_process';
import {chmodSync, writeFileSync} from 'node:fs';
import {createServer, type Socket} from 'node:net';
import {join} from 'node:path';
import tap from 'tap';
import {encodeFrame, type Frame, HEADER_SIZE} from '../../../src/native/shim-protocol.ts';
import {addon, cleanEnvironment, repository, sanitized} from './support/builds.ts';
import {removeAll, scratchFolder} from './support/namespaces.ts';
import {type Call, type Ended, newPath, result, runShim} from './support/shim.ts';

tap.teardown(removeAll);

const CODES = {ADD: 11, DEL: 11, CHECK: 11, GC: 11, STATUS: 50, NONSENSE: 11} as const;
const call = (agent_socket: string, env: Record<string, string> = {}, more: Call = {}): Promise<Ended> =>
  runShim({stdin: JSON.stringify({name: 'n', agent_socket}), env: {CNI_COMMAND: 'ADD', ...env}, ...more});

/** The form of the captured errors: 4 spaces, no final newline, no cniVersion. */
const isError = (
  t: Pick<typeof tap, 'equal' | 'match' | 'same'>,
  ended: Ended,
  code: number,
  details: RegExp,
): void => {
  const parsed = JSON.parse(ended.stdout) as {code: number; msg: string; details: string};
  t.equal(ended.stdout, JSON.stringify({code: parsed.code, msg: parsed.msg, details: parsed.details}, undefined, 4));
  t.equal(parsed.code, code);
  t.match(parsed.details, details);
  t.same([ended.code, ended.signal, ended.stderr], [1, null, '']);
};

void tap.test('nobody there', async (t) => {
  const file = newPath();
  writeFileSync(file, '');
  const stale = newPath();
  addon.listenUnix(stale, {mode: 0o600, backlog: 1}, () => {}).close();
  for (const [path, details] of [
    [newPath(), /connect .*: No such file or directory: check that calico-node runs/],
    [`${file}/x`, /Not a directory/],
    [file, /Connection refused/],
    [stale, /Connection refused/],
  ] as const) {
    for (const [command, code] of Object.entries(CODES))
      isError(t, await call(path, {CNI_COMMAND: command}), code, details);
  }
});

void tap.test('no right to connect', async (t) => {
  const path = newPath();
  chmodSync(scratchFolder(), 0o755);
  const listener = addon.listenUnix(path, {mode: 0o600, backlog: 1}, () => {});
  const program = join(scratchFolder(), 'unprivileged');
  compileShim(program, []);
  const stdin = JSON.stringify({agent_socket: path});
  const words = ['--reuid=65534', '--regid=65534', '--clear-groups', '--', program];
  const ended = await runShim({program: '/usr/bin/setpriv', args: words, env: {CNI_COMMAND: 'ADD'}, stdin});
  isError(t, ended, 11, /Permission denied/);
  listener.close();
});

void tap.test('a listener that is neither root nor ourselves is not trusted', async (t) => {
  const path = newPath();
  const script = `
    const net = require('node:net'), fs = require('node:fs');
    process.setgid(65534); process.setuid(65534);
    net.createServer(() => process.stdout.write('connected')).listen(process.argv[1], () => process.stdout.write('listening'));`;
  chmodSync(scratchFolder(), 0o777);
  const child = spawn(process.execPath, ['-e', script, path], {
    stdio: ['ignore', 'pipe', 'inherit'],
    env: cleanEnvironment(),
  });
  let said = '';
  await new Promise<void>((resolve) => {
    child.stdout.on('data', (data: Buffer) => {
      said += String(data);
      if (said.includes('listening')) resolve();
    });
  });
  isError(t, await call(path), 11, /Permission denied/);
  child.kill();
});

/** An agent that does one thing with the raw connection. */
const rawAgent = async (
  behave: (socket: Socket) => void,
  env: Record<string, string> = {},
  more: Call = {},
): Promise<Ended> => {
  const path = newPath();
  const server = createServer({allowHalfOpen: true}, (socket) => {
    socket.on('error', () => {});
    behave(socket);
  });
  await new Promise<void>((resolve) => {
    server.listen(path, resolve);
  });
  try {
    return await call(path, env, more);
  } finally {
    server.close();
  }
};

const good = encodeFrame(result('{}'));
const patched = (at: number, ...bytes: number[]): Buffer => {
  const frame = Buffer.from(good);
  frame.set(bytes, at);
  return frame;
};

void tap.test('answers that are none', async (t) => {
  const order = (changes: Partial<Extract<Frame, {kind: 'delegate'}>>): Uint8Array =>
    encodeFrame({
      kind: 'delegate',
      program: 'x',
      environment: new Map(),
      stdin: new Uint8Array(),
      timeLimitMs: 1,
      ...changes,
    });
  const endless = Buffer.concat(Array.from({length: 9}, () => order({})));
  const cases: [string, Uint8Array, RegExp][] = [
    ['nothing', Buffer.alloc(0), /closed the connection before it answered/],
    ['half a header', good.subarray(0, 7), /closed the connection/],
    ['a header only', good.subarray(0, HEADER_SIZE), /closed the connection/],
    ['half a payload', good.subarray(0, good.length - 1), /closed the connection/],
    ['another magic', patched(0, 0x47), /not the agent/],
    ['http', Buffer.from('HTTP/1.1 400 Bad Request\r\n\r\n'), /not the agent/],
    ['another version', patched(4, 0, 2), /version 2 of the protocol and this plugin version 1/],
    ['an unknown type', patched(6, 0, 9), /damaged/],
    ['a type that only we send', patched(6, 0, 1), /damaged/],
    ['a payload of 4 GiB', patched(8, 255, 255, 255, 255), /damaged/],
    ['a field beyond its frame', patched(HEADER_SIZE + 2, 0, 1, 0, 0), /damaged/],
    [
      'a field that breaks off',
      Buffer.concat([patched(8, 0, 0, 0, good.length - HEADER_SIZE + 3), Buffer.alloc(3)]),
      /damaged/,
    ],
    ['an unknown field', patched(HEADER_SIZE, 0, 99), /damaged/],
    ['a field twice', patched(HEADER_SIZE + 10, 0, 6), /damaged/],
    ['an exit code of 256', patched(HEADER_SIZE + 8, 1, 0), /damaged/],
    ['an empty result', Buffer.concat([patched(8, 0, 0, 0, 0).subarray(0, HEADER_SIZE)]), /damaged/],
    ['a delegate with a path', order({program: '/bin/sh'}), /damaged message/],
    ['a delegate in a folder', order({program: 'a/b'}), /damaged message/],
    ['a delegate named ..', order({program: '..'}), /damaged message/],
    ['a delegate without a name', order({program: ''}), /damaged message/],
    ['a delegate without a limit', order({timeLimitMs: 0}), /damaged message/],
    ['a delegate with no end', order({timeLimitMs: 60_001}), /damaged message/],
    ['a delegate with PATH', order({environment: new Map([['PATH', '/tmp']])}), /damaged message/],
    ['a delegate with LD_PRELOAD', order({environment: new Map([['LD_PRELOAD', '/tmp/x.so']])}), /damaged message/],
    ['nine delegates', endless, /more than 8 delegates/],
  ];
  for (const [name, bytes, details] of cases) {
    await t.test(name, async (t) => isError(t, await rawAgent((socket) => socket.end(bytes)), 11, details));
  }
  isError(t, await rawAgent((socket) => socket.end('x'), {CNI_COMMAND: 'STATUS'}), 50, /closed the connection/);
  isError(t, await rawAgent((socket) => socket.destroy()), 11, /closed the connection|reset/);
});

void tap.test('an answer before the request was read counts', async (t) => {
  const stdin = (path: string): string => JSON.stringify({agent_socket: path, filler: 'x'.repeat(800_000)});
  const path = newPath();
  const server = createServer((socket) => {
    socket.on('error', () => {});
    socket.pause();
    socket.write(encodeFrame(result('early')), () => socket.destroy());
  });
  await new Promise<void>((resolve) => {
    server.listen(path, resolve);
  });
  const ended = await call(path, {}, {stdin: stdin(path)});
  server.close();
  t.match(ended, {code: 0, stdout: 'early'});
});

void tap.test('an agent that trickles is understood', async (t) => {
  const ended = await rawAgent((socket) => {
    const rest = [...encodeFrame(result('slowly'))];
    const next = (): void => {
      const byte = rest.shift();
      if (byte === undefined) socket.end();
      else socket.write(Buffer.from([byte]), () => setImmediate(next));
    };
    socket.setNoDelay(true);
    next();
  });
  t.match(ended, {code: 0, stdout: 'slowly'});
});

function compileShim(output: string, definitions: readonly string[]): void {
  const words = ['-O1', '-D_GNU_SOURCE', '-DSHIM_VERSION="test"', ...definitions, '-o', output];
  const sources = ['agent', 'buffer', 'deadline', 'delegate', 'main', 'netconf', 'report', 'request'];
  execFileSync('cc', [...words, ...sources.map((name) => `${repository}native/shim/${name}.c`)], {
    env: cleanEnvironment(),
  });
}

void tap.test('every wait ends', {skip: sanitized && 'a build of its own, with short limits'}, async (t) => {
  const program = join(scratchFolder(), 'impatient');
  compileShim(program, ['-DLIMIT_MS=150', '-DSTATUS_LIMIT_MS=150']);
  const silent = await rawAgent(() => {}, {}, {program});
  isError(t, silent, 11, /did not answer in time/);
  isError(t, await rawAgent(() => {}, {CNI_COMMAND: 'STATUS'}, {program}), 50, /did not answer in time/);
  isError(
    t,
    await rawAgent((socket) => socket.write(good.subarray(0, 20)), {}, {program}),
    11,
    /did not answer in time/,
  );
  const stuck = await runShim({program, env: {CNI_COMMAND: 'ADD'}, staysOpen: true});
  t.match(JSON.parse(stuck.stdout), {code: 5, msg: 'cannot read standard input'});
  const path = newPath();
  execFileSync('mkfifo', [path]);
  isError(t, await rawAgent(() => {}, {CNI_NETNS: path}, {program}), 11, /did not answer in time/);
});
