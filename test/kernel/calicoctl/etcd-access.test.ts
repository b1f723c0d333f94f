/**
 * Reaching etcd with the credentials of a file of settings, and what calicoctl says when it cannot: which address, which
 * step, which credential. Every case is a real etcd, or really none.
 */
import {execFileSync} from 'node:child_process';
import {readFileSync, writeFileSync} from 'node:fs';
import {join} from 'node:path';
import t, {type Test} from 'tap';
import {CalicoctlRig, type Run} from '../../helpers/calicoctl-rig.ts';
import {Authority} from '../../helpers/certificates.ts';
import {EtcdServer, type TlsFiles} from '../../helpers/etcd-server.ts';

const folder = t.testdir({});
const rig = await CalicoctlRig.open(folder);
t.teardown(() => rig.close());

const pem = (path: string): string => readFileSync(path, 'utf8');

/** Writes a file of settings. */
function settings(name: string, spec: Readonly<Record<string, string>>): string {
  const config = {apiVersion: 'projectcalico.org/v3', kind: 'CalicoAPIConfig', spec};
  writeFileSync(join(folder, name), JSON.stringify(config));
  return name;
}

const withEtcd = (environment: Readonly<Record<string, string>>, ...args: readonly string[]): Promise<Run> =>
  rig.run(['get', 'ippools', ...args], {environment: {DATASTORE_TYPE: 'etcdv3', ...environment}});

async function fails(
  t: Test,
  what: string,
  environment: Readonly<Record<string, string>>,
  message: RegExp,
): Promise<void> {
  const {exit, stdout, stderr} = await withEtcd(environment);
  t.same([exit, stdout], [1, ''], what);
  t.match(stderr, message, what);
  t.notMatch(stderr, /PRIVATE KEY|hunter2/, `${what}: no secret in the message`);
}

void t.test('with TLS', async (t) => {
  const [ours, theirs] = await Promise.all([Authority.create(folder, 'ours'), Authority.create(folder, 'theirs')]);
  const [ofServer, good, foreign, expired] = await Promise.all([
    ours.issue('server'),
    ours.issue('client'),
    theirs.issue('client'),
    ours.issue('client', {isExpired: true}),
  ]);
  const {endpoint} = await EtcdServer.start(t, {tls: ofServer});
  const files = (of: TlsFiles, ca = ofServer.ca): Readonly<Record<string, string>> => ({
    ETCD_ENDPOINTS: endpoint,
    ETCD_KEY_FILE: of.key,
    ETCD_CERT_FILE: of.cert,
    ETCD_CA_CERT_FILE: ca,
  });

  const inline = {etcdKey: pem(good.key), etcdCert: pem(good.cert), etcdCACert: pem(good.ca)};
  const file = settings('inline.cfg', {datastoreType: 'etcdv3', etcdEndpoints: endpoint, ...inline});
  t.match(await withEtcd({}, '-c', file), {exit: 0, stderr: '', stdout: /^NAME/}, 'keys and certificates in the file');
  const yaml = Object.entries(inline).map(([name, text]) => `  ${name}: |\n${text.replace(/^(?=.)/gm, '    ')}`);
  writeFileSync(
    join(folder, 'inline.yaml'),
    `apiVersion: projectcalico.org/v3\nkind: CalicoAPIConfig\nspec:\n  etcdEndpoints: ${endpoint}\n${yaml.join('')}`,
  );
  t.match(await withEtcd({}, '-c', 'inline.yaml'), {exit: 0, stderr: ''}, 'the same as blocks of YAML');
  t.match(await withEtcd(files(good)), {exit: 0, stderr: ''}, 'files named by variables');
  const prefixed = Object.fromEntries(Object.entries(files(good)).map(([name, value]) => [`CALICO_${name}`, value]));
  t.match(await withEtcd(prefixed), {exit: 0, stderr: ''}, 'variables with the prefix');
  const {etcdKey: _, ...withoutKey} = inline;
  const half = settings('half.cfg', {datastoreType: 'etcdv3', etcdEndpoints: endpoint, ...withoutKey});
  t.match(await withEtcd({}, '-c', half), {exit: 1, stdout: /etcdCert needs etcdKey beside it/});
  const foreignInline = settings('foreign.cfg', {
    datastoreType: 'etcdv3',
    etcdEndpoints: endpoint,
    etcdKey: pem(foreign.key),
    etcdCert: pem(foreign.cert),
    etcdCACert: pem(good.ca),
  });
  t.match(await withEtcd({}, '-c', foreignInline), {exit: 1, stderr: /\(etcdCert was presented to it\)/});

  await fails(
    t,
    'an authority that does not know the server',
    files(good, foreign.ca),
    new RegExp(
      `^cannot connect to etcd: ${endpoint}: TLS handshake: .*\\(the server was verified with ETCD_CA_CERT_FILE /.*theirs\\.pem\\)`,
    ),
  );
  for (const [what, of] of [
    ['of another authority', foreign],
    ['that has expired', expired],
  ] as const)
    await fails(
      t,
      `a certificate ${what}`,
      files(of),
      new RegExp(
        `${endpoint}: HTTP/2 settings: the server refused us with "[a-z ]+" \\(ETCD_CERT_FILE ${of.cert} was presented`,
      ),
    );
  await fails(
    t,
    'no certificate',
    {ETCD_ENDPOINTS: endpoint, ETCD_CA_CERT_FILE: ofServer.ca},
    /the server refused us with "[a-z ]+" \(no certificate was presented to it\)\. Check the credentials/,
  );
  await fails(
    t,
    'a file that is not there',
    {...files(good), ETCD_CERT_FILE: '/nope'},
    /: read credentials: cannot read ETCD_CERT_FILE: ENOENT.*'\/nope'/,
  );
  await fails(
    t,
    'a file without a certificate',
    {...files(good), ETCD_CERT_FILE: good.key},
    new RegExp(`: read credentials: cannot use what is in ETCD_CERT_FILE ${good.key}: `),
  );
  await fails(
    t,
    'a key of another certificate',
    {...files(good), ETCD_KEY_FILE: foreign.key},
    new RegExp(`cannot use what is in ETCD_CERT_FILE ${good.cert} and ETCD_KEY_FILE ${foreign.key}: `),
  );
  await fails(
    t,
    'without TLS',
    {ETCD_ENDPOINTS: endpoint.replace('https', 'http')},
    /HTTP\/2 settings: .*\(is it an https endpoint\?\)/,
  );
});

void t.test('without TLS', async (t) => {
  const server = await EtcdServer.start(t);
  const {endpoint} = server;
  const etcdctl = (...args: readonly string[]): void =>
    void execFileSync('etcdctl', ['--endpoints', endpoint, ...args], {
      env: {...process.env, ETCDCTL_API: '3'},
      stdio: 'pipe',
    });
  await fails(
    t,
    'with TLS',
    {ETCD_ENDPOINTS: endpoint.replace('http', 'https')},
    /TLS handshake: .*\(is it an http endpoint\?\)/,
  );
  await fails(
    t,
    'a name that nobody knows',
    {ETCD_ENDPOINTS: 'http://etcd.invalid:2379'},
    /^cannot connect to etcd: http:\/\/etcd\.invalid:2379: look up in DNS: .*ENOTFOUND etcd\.invalid/,
  );
  await fails(
    t,
    'a domain without etcd',
    {ETCD_DISCOVERY_SRV: 'etcd.invalid'},
    /no SRV records of etcd in etcd\.invalid: look up in DNS: querySrv/,
  );

  etcdctl('user', 'add', 'root:hunter2');
  etcdctl('user', 'add', 'limited:hunter2');
  etcdctl('user', 'grant-role', 'root', 'root');
  etcdctl('auth', 'enable');
  const user = (name: string, password: string) => ({
    ETCD_ENDPOINTS: endpoint,
    ETCD_USERNAME: name,
    ETCD_PASSWORD: password,
  });
  t.match(await withEtcd(user('root', 'hunter2')), {exit: 0, stderr: ''});
  const spec = {datastoreType: 'etcdv3', etcdEndpoints: endpoint, etcdUsername: 'root', etcdPassword: 'hunter2'};
  t.match(await withEtcd({}, '-c', settings('user.cfg', spec)), {exit: 0, stderr: ''});
  const at = `^etcd ${endpoint}: `;
  await fails(
    t,
    'a wrong password',
    user('root', 'wrong'),
    new RegExp(`${at}authenticate as user "root": .*invalid user ID or password`),
  );
  await fails(
    t,
    'a user without the right',
    user('limited', 'hunter2'),
    new RegExp(`${at}call as user "limited": .*permission denied`),
  );
  await fails(t, 'no user', {ETCD_ENDPOINTS: endpoint}, new RegExp(`${at}call without a user: .*user name is empty`));

  await server.kill();
  await fails(
    t,
    'nobody there',
    {ETCD_ENDPOINTS: endpoint},
    new RegExp(`^cannot connect to etcd: ${endpoint}: connect: connect ECONNREFUSED 127\\.0\\.0\\.1`),
  );
  await fails(
    t,
    'several endpoints',
    {ETCD_ENDPOINTS: `${endpoint},http://127.0.0.1:1`},
    /127\.0\.0\.1:\d+: connect: .*; http:\/\/127\.0\.0\.1:\d+: connect: /,
  );
});

void t.test('a server that is frozen is not waited for without end', async (t) => {
  const server = await EtcdServer.start(t);
  await server.freeze();
  await fails(
    t,
    'a frozen server',
    {ETCD_ENDPOINTS: server.endpoint},
    new RegExp(`^cannot connect to etcd: ${server.endpoint}: HTTP/2 settings: no answer within 3000 ms\\. `),
  );
});
