/**
 * The verbs about this machine and its cluster: what they print, what they run, and that they change nothing. Programs
 * they need are stand-ins of the test where the real ones need a server; the machine's own are run inside a network
 * namespace of the test.
 */
import {execFile, execFileSync} from 'node:child_process';
import {
  chmodSync,
  cpSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import {dirname, join} from 'node:path';
import {fileURLToPath} from 'node:url';
import {gzipSync} from 'node:zlib';
import t from 'tap';
import {KERNEL_FEATURES} from '../../../src/calicoctl/rules/kernel-modules.ts';
import {CalicoctlRig} from '../../helpers/calicoctl-rig.ts';

const folder = t.testdir({});
const rig = await CalicoctlRig.open(folder);
t.teardown(() => rig.close());

function write(path: string, text: string | Uint8Array): void {
  mkdirSync(dirname(join(folder, path)), {recursive: true});
  writeFileSync(join(folder, path), text);
}

/** A program of the machine as the command sees it; it writes down how it was called. */
function program(name: string, script: string): void {
  write(`programs/${name}`, `#!/bin/sh\necho "${name} $*" >> '${join(folder, 'calls')}'\n${script}\n`);
  chmodSync(join(folder, 'programs', name), 0o755);
}

function calls(): readonly string[] {
  const path = join(folder, 'calls');
  const lines = existsSync(path) ? readFileSync(path, 'utf8').split('\n').slice(0, -1) : [];
  rmSync(path, {force: true});
  return lines;
}

const line = (name: string, result: string): string => `\t\t${name.padEnd(20)}\t\t\t\t\t${result}\n`;

void t.test('checksystem looks everywhere a module may be', async (t) => {
  const release = '6.1.0-test';
  const machine = (name: string, files: Readonly<Record<string, string | Uint8Array>>): string => {
    write(`${name}/proc/sys/kernel/osrelease`, `${release}\n`);
    for (const [path, content] of Object.entries(files)) write(`${name}/${path}`, content);
    return join(folder, name);
  };
  const bare = await rig.run(['node', 'checksystem'], {root: machine('bare', {})});
  t.equal(bare.exit, 1);
  t.equal(bare.stderr, "system doesn't meet one or more minimum systems requirements to run Calico\n");
  const expected = KERNEL_FEATURES.map(({name, optional = false}) =>
    optional
      ? `WARNING: Unable to detect optional module/feature ${name}; continuing\n${line(name, 'SKIP')}`
      : `WARNING: Unable to detect the ${name} module as Loaded/Builtin module or lsmod\n${line(name, 'FAIL')}`,
  );
  t.equal(
    bare.stdout,
    `Checking kernel version...\n${line(release, 'OK')}Checking kernel modules...\n${expected.join('')}`,
  );
  const whole = machine('whole', {
    'proc/modules': 'ip_set 57344 1 xt_set, Live 0x0\nvfio_pci 16384 0 - Live 0x0\n',
    'sys/module/ip_tables/refcnt': '1\n',
    [`lib/modules/${release}/modules.dep`]:
      'kernel/net/netfilter/ipvs/xt_ipvs.ko.zst: kernel/net/netfilter/x_tables.ko\nkernel/net/ipv4/netfilter/ipt_rpfilter.ko:\n',
    [`lib/modules/${release}/modules.builtin`]: 'kernel/net/netfilter/nf_conntrack_netlink.ko\nkernel/x/xt_REJECT.ko\n',
    [`boot/config-${release}`]:
      'CONFIG_NETFILTER_XT_MATCH_ADDRTYPE=m\nCONFIG_NETFILTER_XT_MATCH_CONNTRACK=y\n# CONFIG_NETFILTER_XT_MATCH_U32 is not set\nCONFIG_NETFILTER_XT_MARK=y\nCONFIG_NETFILTER_XT_MATCH_MULTIPORT=m\nCONFIG_NETFILTER_XT_SET=m\n',
  });
  const all = await rig.run(['node', 'checksystem'], {root: whole});
  t.match(all, {exit: 0, stderr: ''});
  const optional = ['ip6_tables', 'xt_bpf', 'xt_u32'];
  for (const {name} of KERNEL_FEATURES) t.match(all.stdout, line(name, optional.includes(name) ? 'SKIP' : 'OK'), name);
  t.match(all.stdout, /System meets minimum system requirements to run Calico!\n$/);
  const config = KERNEL_FEATURES.map(({options}) => `${options.at(-1)}=y\n`).join('');
  const packed = machine('packed', {'proc/config.gz': gzipSync(config)});
  t.match(await rig.run(['node', 'checksystem'], {root: packed}), {exit: 0}, 'a kernel that carries its configuration');
  write('config', config);
  t.match(await rig.run(['node', 'checksystem', '-f', 'config'], {root: join(folder, 'bare')}), {exit: 0});
  t.match(await rig.run(['node', 'checksystem', '--kernel-config=nope'], {root: whole}), {
    exit: 1,
    stderr: /^cannot read the kernel's configuration nope: ENOENT/,
  });
  write('old/proc/sys/kernel/osrelease', '2.6.18-92\n');
  t.match(await rig.run(['node', 'checksystem'], {root: join(folder, 'old')}), {
    exit: 1,
    stdout: `${line('2.6.18-92', 'FAIL')}Minimum kernel version to run Calico is 2.6.24. Detected kernel version: 2.6.18-92\n`,
  });
  t.same(await rig.run(['node', 'checksystem'], {root: whole, userId: 1000}), {
    exit: 1,
    stdout: 'Need super user privileges: Operation not permitted\n',
    stderr: '',
  });
});

const ETCD = {DATASTORE_TYPE: 'etcdv3', ETCD_ENDPOINTS: 'http://10.96.1.250:2379'};
const BASE =
  'docker run --net=host --privileged --name=calico-node -d --restart=always -e NODENAME=machine-1 -e CALICO_NETWORKING_BACKEND=bird -e CALICO_MANAGE_CNI=false -e ETCD_ENDPOINTS=http://10.96.1.250:2379 -e ETCD_DISCOVERY_SRV= -v /var/log/calico:/var/log/calico -v /var/run/calico:/var/run/calico -v /var/lib/calico:/var/lib/calico -v /lib/modules:/lib/modules -v /run:/run calico/node:latest';

void t.test('run --dryrun prints the command that Calico prints', async (t) => {
  const dry = (args: readonly string[], environment: Readonly<Record<string, string>> = ETCD) =>
    rig.run(['node', 'run', '--dryrun', ...args], {environment, userId: 1000});
  t.same(await dry([]), {
    exit: 0,
    stdout: `Use the following command to start the calico/node container:\n\n${BASE}\n\nIf you are running calico/node in an init system, use the --init-system flag\nto display the appropriate start and stop commands.\n`,
    stderr: '',
  });
  const many = await dry([
    '--init-system',
    '--ip=autodetect',
    '--ip6=FD00::1',
    '--as=1.2',
    '--name=n',
    '--no-default-ippools',
    '--felix-config=/tmp/f',
    '--log-dir=/l',
    '--node-image=x/y:z',
    '--backend=none',
    '--ip-autodetection-method=interface=eth.*',
    '--ip6-autodetection-method=skip-interface=docker.*,virbr.*',
  ]);
  t.equal(
    many.stdout,
    'Use the following command to start the calico/node container:\n\ndocker run --net=host --privileged --name=calico-node --rm -e NODENAME=n -e CALICO_NETWORKING_BACKEND=none -e CALICO_MANAGE_CNI=false -e NO_DEFAULT_POOLS=true -e IP_AUTODETECTION_METHOD=interface=eth.* -e IP6_AUTODETECTION_METHOD=skip-interface=docker.*,virbr.* -e AS=65538 -e IP=autodetect -e IP6=fd00::1 -e ETCD_ENDPOINTS=http://10.96.1.250:2379 -e ETCD_DISCOVERY_SRV= -v /l:/var/log/calico -v /var/run/calico:/var/run/calico -v /var/lib/calico:/var/lib/calico -v /lib/modules:/lib/modules -v /run:/run -v /tmp/f:/etc/calico/felix.cfg x/y:z\n\nUse the following command to stop the calico/node container:\n\ndocker stop calico-node\n\n',
  );
  const files = {ETCD_KEY_FILE: '/k', ETCD_CERT_FILE: '/c', ETCD_CA_CERT_FILE: '/ca'};
  const tls = await dry([], {...ETCD, ...files, ETCD_USERNAME: 'root', ETCD_PASSWORD: 'hunter2'});
  t.match(
    tls.stdout,
    '-e ETCD_CA_CERT_FILE=/etc/calico/certs/ca_cert.crt -e ETCD_KEY_FILE=/etc/calico/certs/key.pem -e ETCD_CERT_FILE=/etc/calico/certs/cert.crt -e ETCD_USERNAME -e ETCD_PASSWORD -v /var/log/calico',
  );
  t.match(
    tls.stdout,
    '-v /ca:/etc/calico/certs/ca_cert.crt -v /k:/etc/calico/certs/key.pem -v /c:/etc/calico/certs/cert.crt calico/node',
  );
  t.notMatch(tls.stdout, /hunter2/, 'a command line is readable to all');
  t.match(
    await dry(["--name=a'b; rm -rf /"]),
    {stdout: /-e 'NODENAME=a'\\''b; rm -rf \/' /},
    'text that a shell would run',
  );
});

void t.test('run refuses what cannot be, in the words of Calico', async (t) => {
  const cases: readonly (readonly [args: readonly string[], stdout: string, stderr: string])[] = [
    [['--ip=x'], 'Error executing command: invalid IP address specified: x\n', ''],
    [['--ip=fd00::1'], '', 'error executing command: --ip is wrong IP version\n'],
    [['--ip6=10.0.0.1'], '', 'error executing command: --ip6 is wrong IP version\n'],
    [['--as=x'], 'Error executing command: invalid AS Number specified: x\n', ''],
    [['--as=4294967296'], 'Error executing command: invalid AS Number specified: 4294967296\n', ''],
    [['--backend=gobgp'], '', "error executing command: unknown backend 'gobgp'\n"],
    [['--ip-autodetection-method=foo'], '', 'error executing command: invalid IP autodetection method: foo\n'],
    [
      ['--ip-autodetection-method=can-reach=::1'],
      '',
      'error executing command: address for IP autodetection does not resolve to an IPv4 address: ::1\n',
    ],
    [
      ['--ip6-autodetection-method=can-reach=10.0.0.1'],
      '',
      'error executing command: address for IP autodetection does not resolve to an IPv6 address: 10.0.0.1\n',
    ],
    [
      ['--ip-autodetection-method=skip-interface=['],
      '',
      'error executing command: invalid interface regex specified for IP autodetection: [\n',
    ],
    [['-c', 'none.cfg'], '', 'error executing command: invalid config file: Error reading config file: none.cfg\n'],
  ];
  for (const [args, stdout, stderr] of cases)
    t.same(
      await rig.run(['node', 'run', '--dryrun', ...args], {environment: ETCD}),
      {exit: 1, stdout, stderr},
      args.join(' '),
    );
  t.same(await rig.run(['node', 'run', '--dryrun'], {environment: {DATASTORE_TYPE: 'kubernetes'}}), {
    exit: 1,
    stdout: '',
    stderr: 'error executing command: unsupported backend specified in config\n',
  });
  write(
    'inline.cfg',
    'apiVersion: projectcalico.org/v3\nkind: CalicoAPIConfig\nspec: {etcdEndpoints: "https://10.0.0.1:2379", etcdKey: k, etcdCert: c}\n',
  );
  t.match(await rig.run(['node', 'run', '--dryrun', '-c', 'inline.cfg']), {
    exit: 1,
    stderr: /a container needs keys and certificates as files: set etcdKeyFile, etcdCertFile and etcdCACertFile/,
  });
});

void t.test('run starts the container, when there is an engine', async (t) => {
  const root = join(folder, 'machine');
  for (const name of ['ipv4/ip_forward', 'ipv6/conf/all/forwarding', 'netfilter/nf_conntrack_max'])
    write(`machine/proc/sys/net/${name}`, '0');
  const run = (environment: Readonly<Record<string, string>> = ETCD) => rig.run(['node', 'run'], {environment, root});
  const sysctl = (name: string): string => readFileSync(join(root, 'proc/sys/net', name), 'utf8');

  t.match(await run(), {
    exit: 1,
    stdout: '',
    stderr:
      'error executing command: there is no container engine on this machine (looked for docker and nerdctl), nothing was changed: install one, or start the agent without a container\n',
  });
  program('docker', 'echo "Cannot connect to the Docker daemon" >&2; exit 1');
  t.match(await run(), {
    exit: 1,
    stdout: '',
    stderr:
      /^error executing command: docker does not answer, nothing was changed: .*Cannot connect to the Docker daemon/,
  });
  t.equal(sysctl('ipv4/ip_forward'), '0', 'nothing of the machine was changed');
  t.same(await rig.run(['node', 'run'], {environment: ETCD, userId: 1000}), {
    exit: 1,
    stdout: 'Need super user privileges: Operation not permitted\n',
    stderr: '',
  });

  calls();
  program(
    'docker',
    'case $1 in rm) exit 1;; run) echo "$ETCD_PASSWORD" > password;; logs) echo "Starting"; echo "Calico node started successfully"; echo late;; esac',
  );
  program('modprobe', 'exit 1');
  const started = await run();
  t.match(started, {exit: 0, stderr: ''});
  t.equal(
    started.stdout,
    `Running command to load modules: modprobe -a xt_set ip6_tables
Enabling IPv4 forwarding
Enabling IPv6 forwarding
Increasing conntrack limit
Removing old calico-node container (if running).
Running the following command to start calico-node:

${BASE}

Image may take a short time to download if it is not available locally.
Container started, checking progress logs.

Starting
Calico node started successfully
`,
  );
  t.same(calls(), [
    'docker info',
    'modprobe -a xt_set ip6_tables',
    'docker rm -f calico-node',
    BASE,
    'docker logs calico-node',
  ]);
  t.same(
    [sysctl('ipv4/ip_forward'), sysctl('ipv6/conf/all/forwarding'), sysctl('netfilter/nf_conntrack_max')],
    ['1', '1', '1000000'],
  );

  const passwordFile = join(folder, 'password');
  program(
    'docker',
    `case $1 in run) echo "$ETCD_USERNAME $ETCD_PASSWORD" > '${passwordFile}';; logs) echo "Calico node started successfully";; esac`,
  );
  const withUser = await run({...ETCD, ETCD_USERNAME: 'root', ETCD_PASSWORD: 'hunter2'});
  t.match(withUser, {exit: 0});
  t.equal(readFileSync(passwordFile, 'utf8'), 'root hunter2\n', 'handed over in the environment of the engine');
  t.notMatch(withUser.stdout + calls().join('\n'), /hunter2/);

  program('docker', 'if [ "$1" = run ]; then echo "no such image" >&2; exit 125; fi');
  t.match(await run(), {exit: 1, stderr: /^error executing command: .*exit code 125: no such image/});
});

/** Name -> text of every file of an archive. */
function unpack(archive: string): ReadonlyMap<string, string> {
  const target = join(folder, 'unpacked');
  rmSync(target, {recursive: true, force: true});
  mkdirSync(target);
  execFileSync('tar', ['-xzf', archive, '-C', target]);
  const files = readdirSync(target, {recursive: true, withFileTypes: true}).filter((entry) => entry.isFile());
  return new Map(
    files.map(({parentPath, name}) => {
      const path = join(parentPath, name);
      return [path.slice(target.length + 1), readFileSync(path, 'utf8')];
    }),
  );
}

const SECRET = 'hunter2-S3cret';

void t.test('diags collects what helps, without secrets, and goes on where something fails', async (t) => {
  rmSync(join(folder, 'programs'), {recursive: true});
  calls();
  const machine = 'diagnosed';
  write(`${machine}/var/lib/calico/nodename`, 'node1');
  write(`${machine}/etc/cni/net.d/10-calico.conflist`, '{"name":"k8s-pod-network"}');
  write(`${machine}/etc/cni/net.d/calico-kubeconfig`, `token: ${SECRET}`);
  write(`${machine}/etc/calico/confd/config/bird.cfg`, `protocol bgp { password "${SECRET}"; }`);
  write('logs/cni/cni.log', `a line\nETCD_PASSWORD=${SECRET}\nanother with ${SECRET}\n`);
  write('logs/packed.gz', new Uint8Array([31, 139, 0, 0]));
  program('ip', 'echo "ip says $*"');
  program('nft', 'echo "no permission" >&2; exit 1');
  program('journalctl', `echo "started with --password ${SECRET}"`);
  program(
    'docker',
    'case $1 in ps) echo "calico-node: now"; echo "k8s_POD_calico-x: now"; echo "bad;name: now";; logs) echo "log of $4";; esac',
  );
  for (const name of ['tar', 'ss']) cpSync(`/usr/bin/${name}`, join(folder, 'programs', name), {dereference: true});
  const environment = {...ETCD, ETCD_USERNAME: 'root', ETCD_PASSWORD: SECRET};
  const {exit, stdout, stderr} = await rig.run(['node', 'diags', '--log-dir=logs'], {
    environment,
    root: join(folder, machine),
  });
  t.same([exit, stderr], [0, '']);
  const [, temporary = ''] = /^Using temp dir: (\S+)$/m.exec(stdout) ?? [];
  const [, archive = ''] = /^Diags saved to (\S+\/diags-\d{8}_\d{6}\.tar\.gz)$/m.exec(stdout) ?? [];
  t.teardown(() => rmSync(temporary, {recursive: true, force: true}));
  t.equal(dirname(archive), temporary);
  t.same([statSync(temporary).mode & 0o777, statSync(archive).mode & 0o777], [0o700, 0o600]);
  t.same(readdirSync(temporary), [archive.slice(temporary.length + 1)], 'what was packed is gone');
  t.match(stdout, 'Failed to run command: nft -n -a list ruleset\nError: ');
  t.match(stdout, 'Failed to run command: ipset list\nError: it is not installed\n');
  t.match(stdout, /packed\.gz is not text, which cannot be searched for secrets: left out\n/);
  t.match(stdout, /calico-kubeconfig is left out: it is there for its secrets\n/);
  const files = unpack(archive);
  t.equal(files.get('diagnostics/ipv4_route'), 'ip says -4 route\n');
  t.equal(files.get('diagnostics/var_lib_calico_nodename'), 'node1');
  t.equal(files.get('diagnostics/cni/10-calico.conflist'), '{"name":"k8s-pod-network"}');
  t.equal(files.get('diagnostics/bird/bird.cfg'), 'protocol bgp { password ***; }');
  t.equal(files.get('diagnostics/logs/cni/cni.log'), 'a line\nETCD_PASSWORD=***\nanother with ***\n');
  t.equal(files.get('diagnostics/logs/calico-node.log'), 'log of calico-node\n');
  t.ok(files.has('diagnostics/ss'));
  t.notOk([...files.keys()].some((name) => /kubeconfig|k8s_POD|bad;name|nft_ruleset/.test(name)));
  for (const [name, text] of files) t.notMatch(text, SECRET, name);
  t.notOk(
    calls().some((call) => /\b(?:pkill|run|exec)\b/.test(call)),
    'nothing is told or started',
  );
});

void t.test('cluster diags asks kubectl, and never for Secrets', async (t) => {
  rmSync(join(folder, 'programs'), {recursive: true});
  t.same(await rig.run(['cluster', 'diags']), {
    exit: 1,
    stdout: '',
    stderr: 'missing dependency: unable to locate kubectl in PATH\n',
  });
  t.match(await rig.run(['cluster', 'diags', '--since=soon']), {
    exit: 1,
    stdout: 'Error executing command: invalid duration for since flag (try 10s, 5m, or 1h): soon\n',
  });
  t.match(await rig.run(['cluster', 'diags', '--max-logs=-1']), {
    exit: 1,
    stdout: 'Error executing command: negative value for max-logs flag\n',
  });
  program('kubectl', 'echo "The connection was refused" >&2; exit 1');
  t.match(await rig.run(['cluster', 'diags']), {
    exit: 1,
    stdout: '',
    stderr: /^cannot reach the Kubernetes API, nothing was collected: .*The connection was refused/,
  });

  const pod = (name: string, node: string, restarts: number) => ({
    metadata: {name, labels: {'k8s-app': name.replace(/-[^-]*$/, '')}},
    spec: {nodeName: node},
    status: {containerStatuses: [{name: 'main', restartCount: restarts}]},
  });
  const pods = {items: [pod('calico-node-a', 'n1', 0), pod('calico-node-b', 'n2', 3), pod('coredns-x', 'n1', 0)]};
  write('pods.json', JSON.stringify(pods));
  program(
    'kubectl',
    `case "$*" in
  *customresourcedefinitions*) echo customresourcedefinition.apiextensions.k8s.io/ippools.crd.projectcalico.org; echo customresourcedefinition.apiextensions.k8s.io/other.example.com;;
  *api-resources*) echo networkpolicies.projectcalico.org;;
  *"get namespaces -o name"*) echo namespace/default; echo namespace/kube-system; echo namespace/calico-system;;
  *"get pods -n calico-system -o json"*) cat '${join(folder, 'pods.json')}';;
  *"-o json"*) echo '{"items":[]}';;
  *"configmaps -n calico-system"*) echo 'password: ${SECRET}';;
  *) echo "said $*";;
esac`,
  );
  cpSync('/usr/bin/tar', join(folder, 'programs/tar'), {dereference: true});
  calls();
  const {exit, stdout, stderr} = await rig.run(
    ['cluster', 'diags', '--max-logs=1', '--focus-nodes=n2', '--since=5m', '--max-parallelism=1'],
    {environment: {KUBECONFIG: '/some/kubeconfig'}},
  );
  t.same([exit, stderr], [0, '']);
  const [, archive = ''] =
    /^Diagnostic bundle created at \.\/(calico-diagnostics-\d{8}_\d{6}\.tar\.gz)$/m.exec(stdout) ?? [];
  const [, temporary = ''] = /^Created temporary directory: (\S+)$/m.exec(stdout) ?? [];
  t.notOk(existsSync(temporary), 'the temporary folder is gone');
  const files = unpack(join(folder, archive));
  const name = archive.replace('.tar.gz', '');
  t.match(
    files.get(`${name}/nodes/n2/calico-system/calico-node-b.log`),
    'logs --since=5m -n calico-system calico-node-b --all',
  );
  t.ok(files.has(`${name}/nodes/n2/calico-system/calico-node-b.main.previous.log`));
  t.notOk(files.has(`${name}/nodes/n1/calico-system/calico-node-a.log`), 'one pod of each component');
  t.ok(files.has(`${name}/cluster/crd/ippools.crd.projectcalico.org.yaml`));
  t.ok(files.has(`${name}/cluster/crd/networkpolicies.projectcalico.org.txt`));
  t.equal(files.get(`${name}/cluster/calico-system/configmaps.yaml`), 'password: ***\n');
  const asked = calls();
  t.ok(asked.length > 30 && asked.every((call) => call.startsWith('kubectl --kubeconfig /some/kubeconfig ')));
  t.notOk(asked.some((call) => /secret/i.test(call)));
});

void t.test('the real programs of this machine, in a network namespace of its own', async (t) => {
  const namespace = `ct-${process.pid}-diags`;
  execFileSync('ip', ['netns', 'add', namespace]);
  t.teardown(() => void execFileSync('ip', ['netns', 'del', namespace]));
  const calicoctl = fileURLToPath(new URL('../../../bin/calicoctl', import.meta.url));
  const run = (...args: readonly string[]): Promise<{readonly exit: unknown; readonly stdout: string}> =>
    new Promise((resolve) => {
      execFile('ip', ['netns', 'exec', namespace, calicoctl, ...args], (error, stdout) => {
        resolve({exit: error === null ? 0 : error.code, stdout});
      });
    });
  const checked = await run('node', 'checksystem');
  t.match(checked.stdout, /^Checking kernel version\.\.\.\n\t\t\S+ *\t\t\t\t\tOK\nChecking kernel modules\.\.\.\n/);
  t.equal(checked.stdout.match(/\t(?:OK|FAIL|SKIP)\n/g)?.length, KERNEL_FEATURES.length + 1);
  t.equal(checked.exit, /\tFAIL\n/.test(checked.stdout) ? 1 : 0);
  execFileSync('ip', ['-n', namespace, 'link', 'add', 'seen0', 'type', 'veth', 'peer', 'seen1']);
  const {exit, stdout} = await run('node', 'diags');
  t.equal(exit, 0);
  const [, temporary = ''] = /^Using temp dir: (\S+)$/m.exec(stdout) ?? [];
  t.teardown(() => rmSync(temporary, {recursive: true, force: true}));
  const [, archive = ''] = /^Diags saved to (\S+)$/m.exec(stdout) ?? [];
  t.match(unpack(archive).get('diagnostics/links'), /seen0/, 'the links of the namespace it runs in');
});
