/** The CNI plugin as the runtime sees it, with an agent behind it. */
import {mkdirSync, readFileSync, statSync, symlinkSync} from 'node:fs';
import t from 'tap';
import {LIMITS, type ShimRequest} from '../../../src/native/shim-protocol.ts';
import {addon, buildFolder, repository} from './support/builds.ts';
import {makeNamespace, removeAll, scratchFolder} from './support/namespaces.ts';
import {callAgent, newPath, type Received, result, runShim} from './support/shim.ts';

t.teardown(removeAll);
const namespace = makeNamespace();
const text = (bytes: Uint8Array): string => Buffer.from(bytes).toString();

const request = ({frame}: Received): ShimRequest => {
  if (frame.kind !== 'request') throw new Error(frame.kind);
  return frame;
};

void t.test('what works without an agent', async (t) => {
  const {version} = JSON.parse(readFileSync(`${repository}package.json`, 'utf8')) as {version: string};
  const versions =
    '{"cniVersion":"1.1.0","supportedVersions":["0.1.0","0.2.0","0.3.0","0.3.1","0.4.0","1.0.0","1.1.0"]}\n';
  for (const name of ['calico', 'calico-ipam']) {
    const program = `${buildFolder}${name}`;
    for (const stdin of ['', '{}', '{bad', '{"cniVersion":"9.9.9"}']) {
      const ended = await runShim({program, env: {CNI_COMMAND: 'VERSION'}, stdin, staysOpen: true});
      t.same(ended, {code: 0, signal: null, stdout: versions, stderr: ''}, `${name} ${stdin}`);
    }
    t.same(await runShim({program, args: ['-v']}), {code: 0, signal: null, stdout: `v${version}\n`, stderr: ''});
    for (const env of [{}, {CNI_COMMAND: ''}, {CNI_CONTAINERID: 'x', CNI_NETNS: '/run/netns/x'}] as Record<
      string,
      string
    >[]) {
      const about = await runShim({program, env, stdin: '{"name":"x"}'});
      t.match(about, {code: 0, stdout: '', stderr: /\nCNI protocol versions supported: 0\.1\.0, .*1\.1\.0\n$/});
    }
    t.match(await runShim({program, args: ['-h']}), {
      code: 0,
      stdout: '',
      stderr: /^Usage of .*\n {2}-v\tDisplay version\n$/s,
    });
    t.match(await runShim({program, args: ['-zz']}), {
      code: 2,
      stdout: '',
      stderr: /^flag provided but not defined: -zz\n/,
    });
  }
  t.equal(statSync(`${buildFolder}calico`).ino, statSync(`${buildFolder}calico-ipam`).ino, 'one file, two names');
});

void t.test('the request has everything, and nothing else', async (t) => {
  const env = {
    CNI_COMMAND: 'ADD',
    CNI_CONTAINERID: 'c1',
    CNI_NETNS: namespace.path,
    CNI_IFNAME: 'eth0',
    CNI_ARGS: '',
    HOME: '/root',
    CNI_FOO: 'x',
  };
  const ended = await callAgent({env}, async (side, received) => {
    const {program, environment, netns, stdin, argument} = request(received);
    const {CNI_FOO: _, HOME: __, ...known} = env;
    t.same(Object.fromEntries(environment), known, 'an empty variable is there, an unset one is not');
    t.same([program, argument, netns], ['calico', undefined, {kind: 'attached'}]);
    t.match(JSON.parse(text(stdin)), {cniVersion: '1.0.0', name: 'net'});
    t.equal(received.fds.length, 1);
    t.equal(addon.networkNamespace(received.fds[0] ?? -1)?.inode, addon.networkNamespace(namespace.fd)?.inode);
    t.equal(side.connection.credentials.uid, 0);
    await side.send(result('{"ok":true}', 0, 'one line\n'));
  });
  t.same(ended, {code: 0, signal: null, stdout: '{"ok":true}', stderr: 'one line\n'});
});

void t.test('the role is the name it is started under', async (t) => {
  mkdirSync(`${scratchFolder()}/names`);
  symlinkSync(`${buildFolder}calico`, `${scratchFolder()}/names/calico-ipam`);
  symlinkSync(`${buildFolder}calico-ipam`, `${scratchFolder()}/names/calico`);
  for (const [program, expected] of [
    [`${buildFolder}calico-ipam`, 'calico-ipam'],
    [`${scratchFolder()}/names/calico-ipam`, 'calico-ipam'],
    [`${scratchFolder()}/names/calico`, 'calico'],
  ] as const) {
    await callAgent({program}, async (side, received) => {
      t.equal(request(received).program, expected);
      await side.send(result(''));
    });
  }
});

void t.test('a netns that cannot be opened is for the agent to judge', async (t) => {
  const cases = [
    [{}, {kind: 'absent'}, 0],
    [{CNI_NETNS: ''}, {kind: 'absent'}, 0],
    [{CNI_NETNS: '/run/netns/ct-never'}, {kind: 'failed', errno: 2}, 0],
    [{CNI_NETNS: '/etc/hosts/x'}, {kind: 'failed', errno: 20}, 0],
    [{CNI_NETNS: `/${'x'.repeat(5000)}`}, {kind: 'failed', errno: 36}, 0],
    [{CNI_NETNS: '/etc/hosts'}, {kind: 'attached'}, 1],
  ] as const;
  for (const [env, netns, count] of cases) {
    const ended = await callAgent({env}, async (side, received) => {
      t.same(request(received).netns, netns, JSON.stringify(env).slice(0, 60));
      t.equal(received.fds.length, count);
      for (const fd of received.fds) t.equal(addon.networkNamespace(fd), undefined);
      await side.send(result('{}'));
    });
    t.equal(ended.code, 0);
  }
});

void t.test('exit codes and output are passed on as they are', async (t) => {
  for (const [stdout, code, stderr] of [
    ['', 0, ''],
    ['{\n    "code": 7,\n    "msg": "x"\n}', 1, ''],
    ['x'.repeat(1_000_000), 0, ''],
    ['\0\xff\n', 255, 'y'.repeat(40_000)],
  ] as const) {
    const ended = await callAgent({}, (side) => side.send(result(stdout, code, stderr)));
    t.same(ended, {code, signal: null, stdout, stderr});
  }
});

void t.test('large and odd input', async (t) => {
  const long = 'x'.repeat(10_000);
  await callAgent(
    {env: {CNI_CONTAINERID: long, CNI_ARGS: '\n\t"\\'}, config: {filler: 'y'.repeat(900_000)}},
    async (side, received) => {
      const {environment, stdin} = request(received);
      t.equal(environment.get('CNI_CONTAINERID'), long);
      t.equal(environment.get('CNI_ARGS'), '\n\t"\\');
      t.ok(stdin.length > 900_000);
      await side.send(result('{}'));
    },
  );
  t.match(await runShim({env: {CNI_COMMAND: 'ADD'}, stdin: Buffer.alloc(LIMITS.MAX_STDIN + 1)}), {
    code: 1,
    stdout: /^\{\n {4}"code": 7,\n {4}"msg": "network configuration is too long",\n {4}"details": ".*"\n\}$/,
  });
  t.match(JSON.parse((await runShim({env: {CNI_COMMAND: 'ADD'}, stdin: Buffer.alloc(10_000_000, '{')})).stdout), {
    code: 7,
  });
  t.match(JSON.parse((await runShim({env: {CNI_COMMAND: 'ADD', CNI_ARGS: 'z'.repeat(70_000)}})).stdout), {code: 4});
});

void t.test('the connection test', async (t) => {
  const ended = await callAgent({args: ['-t'], env: {}}, async (side, received) => {
    t.equal(request(received).argument, '-t');
    await side.send(result(''));
  });
  t.match(ended, {code: 0, stdout: ''});
  const away = await runShim({args: ['-t'], stdin: JSON.stringify({agent_socket: newPath()})});
  t.equal(away.code, 1);
  t.match(JSON.parse(away.stdout), {code: 100, msg: 'data store connection failed'});
});

void t.test('calls at once do not disturb one another', async (t) => {
  const calls = Array.from({length: 40}, (_, i) =>
    callAgent({env: {CNI_CONTAINERID: `c${i}`, CNI_NETNS: namespace.path}}, async (side, received) => {
      t.equal(received.fds.length, 1);
      await side.send(result(request(received).environment.get('CNI_CONTAINERID') ?? ''));
    }),
  );
  t.same(
    (await Promise.all(calls)).map(({stdout}) => stdout),
    Array.from({length: 40}, (_, i) => `c${i}`),
  );
});
