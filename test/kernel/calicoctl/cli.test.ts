/** What the captured command lines do not show: settings, files, limits of input, hostile text, scale. */
import {mkdirSync, readFileSync, writeFileSync} from 'node:fs';
import {join} from 'node:path';
import t from 'tap';
import {CalicoctlRig} from '../../helpers/calicoctl-rig.ts';

const folder = t.testdir({});
const rig = await CalicoctlRig.open(folder);
t.teardown(() => rig.close());
t.beforeEach(() => rig.load(new Map()));

/** Writes a file beside the store and gives its name. */
function file(name: string, text: string | Uint8Array): string {
  writeFileSync(join(folder, name), text);
  return name;
}

const pool = (name: string, cidr: string, more = ''): string =>
  `apiVersion: projectcalico.org/v3\nkind: IPPool\nmetadata: {name: ${name}}\nspec: {cidr: ${cidr}${more}}\n`;

void t.test('settings come from the environment, or from a file in its place', async (t) => {
  const head = 'apiVersion: projectcalico.org/v3\nkind: CalicoAPIConfig\n';
  const run = (args: readonly string[], environment: Record<string, string>) =>
    rig.run(['get', 'ippool', ...args], {environment});
  const good = file('good.yaml', `${head}spec: {datastoreType: embedded, store: /some/where}`);
  t.same(await run(['-c', good], {DATASTORE_TYPE: 'bogus'}), {
    exit: 0,
    stdout: 'NAME   CIDR   SELECTOR   \n\n',
    stderr: '',
  });
  const cases: readonly (readonly [args: readonly string[], environment: Record<string, string>, message: RegExp])[] = [
    [[], {DATASTORE_TYPE: 'bogus'}, /DATASTORE_TYPE is "bogus": it must be etcdv3, kubernetes or embedded/],
    [[], {DATASTORE_TYPE: 'embedded', CALICO_STORE: 'store'}, /CALICO_STORE is "store": it must be an absolute path/],
    [[], {DATASTORE_TYPE: 'kubernetes'}, /cannot use the datastore kubernetes yet/],
    [
      ['-c', file('a.yaml', 'apiVersion: v9\nkind: CalicoAPIConfig')],
      {},
      /syntax error in a.yaml: invalid config file: unknown APIVersion 'v9'/,
    ],
    [
      ['-c', file('b.yaml', 'apiVersion: projectcalico.org/v3\nkind: Other')],
      {},
      /syntax error in b.yaml: invalid config file: expected kind 'CalicoAPIConfig', got 'Other'/,
    ],
    [
      ['-c', file('c.yaml', `${head}spec: {bogus: 1}`)],
      {},
      /syntax error in c.yaml: failed to parse config as YAML\/JSON: error unmarshaling JSON: while decoding JSON: json: unknown field "bogus"/,
    ],
    [['-c', file('d.yaml', 'a: [')], {}, /syntax error in d.yaml: failed to parse config as YAML\/JSON: .*line 1/],
  ];
  for (const [args, environment, message] of cases) {
    const {exit, stdout, stderr} = await run(args, environment);
    t.same([exit, stderr], [1, ''], String(message));
    t.match(stdout, /^Failed to create Calico API client: [^\n]+\n$/);
    t.match(stdout, message);
  }
});

void t.test('a file of settings that is named must be there', async (t) => {
  t.same(await rig.run(['get', 'ippool', '-c', 'none.yaml']), {
    exit: 1,
    stdout: 'Error reading config file: none.yaml\n',
    stderr: '',
  });
  t.match(await rig.run(['get', 'ippool', '-c', 'default.cfg']), {exit: 0}, 'but for the default one');
  const twice = await rig.run(['--allow-version-mismatch', 'get', 'ippool', '--allow-version-mismatch']);
  t.match(twice, {exit: 1, stderr: /^Usage:\n/}, 'said twice');
});

void t.test('options are read as docopt reads them', async (t) => {
  const empty = {exit: 0, stdout: 'NAME   CIDR   SELECTOR   \n\n', stderr: ''};
  for (const args of [
    ['get', '--out', 'ps', 'ippool'],
    ['get', 'ippool', '--exp', '--allow'],
    ['get', 'ippool', '-n', ''],
    ['get', 'ippool', '-ops'],
    ['--allow', '--log=WARNING', 'get', 'ippool'],
  ])
    t.same(await rig.run(args), empty, args.join(' '));
  const cases: readonly (readonly [args: readonly string[], problem: string])[] = [
    [['get', 'ippool', '--all'], '--all is not a unique prefix: --all-namespaces, --allow-version-mismatch?'],
    [['delete', 'ippool', 'x', '--skip'], '--skip is not a unique prefix: --skip-not-exists, --skip-empty?'],
    [['get', 'ippool', '--export=1'], '--export must not have an argument'],
    [['get', 'ippool', '-o'], '-o requires argument'],
    [['get', 'ippool', '--output', '--'], '--output requires argument'],
    [['get', 'ippool', '-Rx'], 'Usage:'],
    [['get', 'ippool', '-R'], 'Usage:'],
    [['delete', 'ippool', '--skip-empty'], 'Usage:'],
  ];
  for (const [args, problem] of cases) {
    const {exit, stdout, stderr} = await rig.run(args);
    t.same([exit, stdout, stderr.split('\n')[0]], [1, '', problem], args.join(' '));
  }
  t.match(await rig.run(['get', 'ippool', '--']), {exit: 1, stderr: /^resource does not exist: IPPool\(--\)/});
  t.match(await rig.run(['get', '--bogus', '-h']), {exit: 0, stdout: /^Usage:/}, 'help goes before what is wrong');
  for (const [args, problem] of [
    [['-l'], '-l requires argument\n'],
    [['--context'], '--context requires argument\n'],
    [['-x', 'get', 'node'], ''],
    [['-l', 'panic', '-l', 'panic', 'get', 'node'], ''],
  ] as const)
    t.same(
      await rig.run(args),
      {
        exit: 1,
        stdout: `Invalid option: '${args.join(' ')}'. Use flag '--help' to read about a specific subcommand.\n`,
        stderr: `${problem}Usage:\n  calicoctl [options] <command> [<args>...]\n`,
      },
      args.join(' '),
    );
});

void t.test('a datastore that does not answer is named, and nothing hangs', async (t) => {
  const environment = {ETCD_ENDPOINTS: 'http://127.0.0.1:1'};
  const file1 = file('p.yaml', pool('p', '10.0.0.0/16'));
  for (const args of [
    ['get', 'ippool'],
    ['get', 'ippool', 'a', 'b'],
    ['apply', '-f', file1],
    ['delete', 'ippool', 'p'],
    ['ipam', 'show'],
    ['version'],
  ]) {
    const {exit, stderr} = await rig.run(args, {environment});
    t.equal(exit, 1, args.join(' '));
    t.match(stderr, /http:\/\/127\.0\.0\.1:1.* Check that the datastore runs.*\n+$/);
    t.equal(stderr.split('127.0.0.1:1').length, stderr.includes('connect ECONNREFUSED') ? 3 : 2, 'it is said once');
  }
});

void t.test('options of the whole tool', async (t) => {
  const empty = 'NAME   CIDR   SELECTOR   \n\n';
  for (const args of [
    ['-l', 'panic', 'get', 'ippool'],
    ['--log-level=debug', 'get', 'ippool'],
    ['--context', 'x', 'get', 'ippool', '--allow-version-mismatch'],
    ['--allow-version-mismatch', '--context=x', 'get', 'ippool', '--context=y'],
  ])
    t.same(await rig.run(args), {exit: 0, stdout: empty, stderr: ''}, args.join(' '));
  t.match(await rig.run(['-l', 'debugg', 'get', 'node']), {
    exit: 1,
    stdout: 'Unknown log level: debugg, expected one of: \npanic, fatal, error, warn, info, debug.\n',
  });
  const help = await rig.run(['get', '--help']);
  t.match(help, {exit: 0, stderr: '', stdout: /^Usage:\n {2}calicoctl get [\s\S]*-o --output=<OUTPUT FORMAT>/});
  t.match(await rig.run(['--help']), {exit: 0, stdout: /^Usage:\n[\s\S]*Description:/});
  for (const name of ['__proto__', 'constructor', 'toString'])
    t.match(await rig.run([name]), {exit: 1, stderr: new RegExp(`^unknown command: "${name}"\n`)});
});

void t.test('wrong arguments give the usage text of their command', async (t) => {
  for (const args of [
    ['get'],
    ['get', 'ippool', '-f', 'x'],
    ['get', 'ippool', '-n', 'a', '-n', 'b'],
    ['delete'],
    ['apply'],
    ['apply', 'x'],
    ['apply', '-f', 'a', '-f', 'b'],
    ['version', 'x'],
    ['ipam', 'show', '--show-blocks', '--show-borrowed'],
    ['ipam', 'show', '--ip=10.0.0.1', '--show-blocks'],
  ])
    t.match(await rig.run(args), {exit: 1, stdout: '', stderr: /^Usage:\n {2}calicoctl /}, args.join(' '));
  t.match(await rig.run(['apply', '-f']), {exit: 1, stderr: /^-f requires argument\nUsage:\n/});
});

void t.test('one bad document and nothing is written, and it is named', async (t) => {
  const text = `${pool('a', '10.0.0.0/16')}---\n${pool('b', '10.1.0.0/16')}bogus: 1\n`;
  t.same(await rig.run(['apply', '-f', file('two.yaml', text)]), {
    exit: 1,
    stdout: '',
    stderr: 'field in document is not recognized or is in the wrong location: bogus (document 2 of two.yaml)\n',
  });
  t.equal((await rig.content()).size, 0);
  mkdirSync(join(folder, 'many'));
  file('many/a.yaml', pool('a', '10.0.0.0/16'));
  file('many/b.yaml', 'kind: [');
  const {stderr} = await rig.run(['apply', '-f', 'many']);
  t.match(stderr, /line 1: .* \(many\/b\.yaml\)\n$/);
  t.equal((await rig.content()).size, 0);
});

void t.test('a folder is read flat, and with -R as deep as it goes', async (t) => {
  mkdirSync(join(folder, 'tree/deep/deeper'), {recursive: true});
  file('tree/b.yml', pool('b', '10.1.0.0/16'));
  file('tree/a.yaml', pool('a', '10.0.0.0/16'));
  file('tree/note.txt', 'not yaml: [');
  file(
    'tree/deep/deeper/c.json',
    '{"apiVersion":"projectcalico.org/v3","kind":"IPPool","metadata":{"name":"c"},"spec":{"cidr":"10.2.0.0/16"}}',
  );
  t.equal((await rig.run(['apply', '-f', 'tree'])).stdout, "Successfully applied 2 'IPPool' resource(s)\n");
  t.equal((await rig.run(['apply', '-R', '-f', 'tree'])).stdout, "Successfully applied 3 'IPPool' resource(s)\n");
  t.equal(
    (await rig.run(['get', '-f', 'tree', '-o', 'custom-columns=NAME'])).stdout,
    'NAME   \na      \n\nNAME   \nb      \n\n',
  );
});

void t.test('what was done before a resource that breaks a rule is said', async (t) => {
  const text = [pool('a', '10.0.0.0/16'), pool('b', '10.0.0.0/99'), pool('c', '10.2.0.0/16')].join('---\n');
  t.same(await rig.run(['apply', '-f', file('three.yaml', text)]), {
    exit: 1,
    stdout: "Partial success: applied the first 2 out of 3 'IPPool' resources:\n",
    stderr:
      "hit error(s): [error with field spec.cidr = '10.0.0.0/99' (must be a subnet, for example 10.65.0.0/16) in IPPool(b), resource 2 of 3]\n",
  });
  t.same((await rig.run(['get', 'ippool', '-o', 'custom-columns=NAME'])).stdout, 'NAME   \na      \nc      \n\n');
});

void t.test('input is limited', async (t) => {
  const large = file('large.yaml', Buffer.alloc(10 * 1024 * 1024 + 1, 'a'));
  t.match(await rig.run(['apply', '-f', large]), {
    exit: 1,
    stderr: 'failed to execute command: read large.yaml: is larger than 10485760 bytes\n',
  });
  const many = file('many.yaml', '---\na: 1\n'.repeat(10_002));
  t.match(await rig.run(['apply', '-f', many]), {
    exit: 1,
    stderr: 'failed to execute command: there are more than 10000 documents in many.yaml\n',
  });
  const items = Array.from({length: 10_001}, () => '{apiVersion: projectcalico.org/v3, kind: Node}');
  t.match(await rig.run(['apply', '-f', file('list.yaml', `[${items.join(',')}]`)]), {
    exit: 1,
    stderr: /more than 10000 resources/,
  });
  t.match(await rig.run(['apply', '-f', file('binary.yaml', new Uint8Array([0xfe]))]), {
    exit: 1,
    stderr: /binary.yaml is neither UTF-8 nor UTF-16 text/,
  });
  t.equal((await rig.content()).size, 0);
});

void t.test('hostile text in the datastore does not reach the terminal', async (t) => {
  const spec = '"spec":{"cidr":"10.0.0.0/16","nodeSelector":"\\u001b[2J\\u0007\\n","blockSize":26}';
  const key = '/calico/resources/v3/projectcalico.org/ippools/p';
  await rig.load(
    new Map([[key, `{"kind":"IPPool","apiVersion":"projectcalico.org/v3","metadata":{"name":"p"},${spec}}`]]),
  );
  t.equal(
    (await rig.run(['get', 'ippool'])).stdout,
    'NAME   CIDR          SELECTOR                \np      10.0.0.0/16   \\u001b[2J\\u0007\\u000a   \n\n',
  );
  t.match((await rig.run(['get', 'ippool', '-o', 'yaml'])).stdout, 'nodeSelector: "\\e[2J\\a\\n"\n');
  t.match((await rig.run(['get', 'ippool', '-o', 'json'])).stdout, '"nodeSelector": "\\u001b[2J\\u0007\\n"');
});

void t.test('what cannot be read is named, and the rest is shown', async (t) => {
  const prefix = '/calico/resources/v3/projectcalico.org/ippools/';
  const good =
    '{"kind":"IPPool","apiVersion":"projectcalico.org/v3","metadata":{"name":"good"},"spec":{"cidr":"10.0.0.0/16"}}';
  await rig.load(
    new Map([
      [`${prefix}bad`, '{"kind":'],
      [`${prefix}good`, good],
    ]),
  );
  const {exit, stdout, stderr} = await rig.run(['get', 'ippool']);
  t.equal(exit, 1);
  t.equal(stdout, 'NAME   CIDR          SELECTOR   \ngood   10.0.0.0/16   all()      \n\n');
  t.match(stderr, /^IPPool at \/calico\/resources\/v3\/projectcalico\.org\/ippools\/bad: .*\n$/);
});

void t.test('an old object is updated without loss, and only where the document speaks', async (t) => {
  const key = '/calico/resources/v3/projectcalico.org/ippools/p';
  const metadata =
    '{"name":"p","uid":"u-1","creationTimestamp":"2020-01-01T00:00:00Z","labels":{"a":"1"},"finalizers":["x"]}';
  await rig.load(
    new Map([
      [
        key,
        `{"kind":"IPPool","apiVersion":"projectcalico.org/v3","metadata":${metadata},"spec":{"cidr":"10.0.0.0/16"}}`,
      ],
    ]),
  );
  t.match(await rig.run(['apply', '-f', file('p.yaml', pool('p', '10.0.0.0/16', ', natOutgoing: true'))]), {exit: 0});
  const stored = (await rig.content()).get(key);
  t.match(stored, '"uid":"u-1","creationTimestamp":"2020-01-01T00:00:00Z"');
  t.match(stored, '"finalizers":["x"]', 'what belongs to others stays');
  t.notMatch(stored, '"labels"', "labels are the document's");
  t.match(stored, '"natOutgoing":true');
});

void t.test('a pool is refused where blocks of another size lie', async (t) => {
  const block = '/calico/ipam/v2/assignment/ipv4/block/10.0.1.0-28';
  await rig.load(new Map([[block, '{}']]));
  const {exit, stderr} = await rig.run(['create', '-f', file('p.yaml', pool('p', '10.0.0.0/16'))]);
  t.equal(exit, 1);
  t.match(stderr, /IPPool\(p\) overlaps the block 10\.0\.1\.0\/28, which has another size/);
  t.match(await rig.run(['create', '-f', file('q.yaml', pool('q', '10.1.0.0/16'))]), {exit: 0});
});

void t.test('a pool is disabled before its blocks are taken, and goes last', async (t) => {
  const lines = readFileSync(
    new URL('../../fixtures/calicoctl/stores/12-small-pool-full.jsonl', import.meta.url),
    'utf8',
  );
  const pairs = lines
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as {key: string; value: string});
  await rig.load(new Map(pairs.map(({key, value}) => [key, value])));
  rig.steps.length = 0;
  t.match(await rig.run(['delete', 'ippool', 'small']), {exit: 0});
  const small = '/calico/resources/v3/projectcalico.org/ippools/small';
  const steps = rig.steps.filter((step) => !step.startsWith('check'));
  t.same(steps.slice(0, 2), [`update ${small}`, 'pause 500']);
  t.equal(steps.at(-1), `delete ${small}`);
  t.ok(steps.slice(2, -1).some((step) => step === 'update /calico/ipam/v2/assignment/ipv4/block/10.245.0.0-29'));
  t.ok(steps.slice(2, -1).some((step) => /^delete .*host\/node1\/ipv4\/block\/10\.245\.0\.0-29$/.test(step)));
});

void t.test('a resourceVersion in the document is a condition', async (t) => {
  await rig.run(['apply', '-f', file('p.yaml', pool('p', '10.0.0.0/16'))]);
  const document = (await rig.run(['get', 'ippool', 'p', '-o', 'yaml'])).stdout;
  const stale = file('stale.yaml', document.replace(/resourceVersion: "\d+"/, 'resourceVersion: "1000000"'));
  t.same(await rig.run(['apply', '-f', stale]), {
    exit: 1,
    stdout: '',
    stderr: "failed to apply 'IPPool' resource: [update conflict: IPPool(p)]\n",
  });
  t.match(await rig.run(['apply', '-f', file('fresh.yaml', document)]), {exit: 0});
  t.match(await rig.run(['create', '-f', file('fresh.yaml', document)]), {
    exit: 1,
    stderr: /\(field must not be set for a Create request\)\]\n$/,
  });
});

void t.test('a namespace that does not fit is said of each resource', async (t) => {
  const endpoint = `apiVersion: projectcalico.org/v3
kind: WorkloadEndpoint
metadata: {}
spec: {node: node1, orchestrator: k8s, pod: p, endpoint: eth0, interfaceName: cali1}
`;
  const mixed = file('mixed.yaml', [pool('a', '10.0.0.0/16'), endpoint, pool('b', '10.1.0.0/16')].join('---\n'));
  t.same(await rig.run(['apply', '-f', mixed, '-n', 'prod']), {
    exit: 1,
    stdout: '',
    stderr: 'hit error(s): [IPPool is not namespaced IPPool is not namespaced]\n',
  });
  t.same(
    [...(await rig.content()).keys()].filter((key) => key.includes('endpoints')),
    ['/calico/resources/v3/projectcalico.org/workloadendpoints/prod/node1-k8s-p-eth0'],
  );
  t.same(await rig.run(['get', 'wep', '-n', 'prod']), {
    exit: 0,
    stdout:
      'NAMESPACE   WORKLOAD   NODE    NETWORKS   INTERFACE   \nprod        p          node1              cali1       \n\n',
    stderr: '',
  });
  t.match(await rig.run(['delete', '-f', mixed]), {exit: 1, stderr: /^Failed to delete resource: .*\n[\s\S]*\n\n$/});
});

void t.test('what is named must be there, and what is used stays', async (t) => {
  const head = 'apiVersion: projectcalico.org/v3\nkind: ';
  const tier = file('tier.yaml', `${head}Tier\nmetadata: {name: t1}\nspec: {order: 5}\n`);
  const policy = file('policy.yaml', `${head}GlobalNetworkPolicy\nmetadata: {name: g}\nspec: {tier: t1}\n`);
  t.match(await rig.run(['apply', '-f', policy]), {
    exit: 1,
    stderr: /resource does not exist: Tier\(t1\) with error: <nil>/,
  });
  t.match(await rig.run(['apply', '-f', tier]), {exit: 0});
  t.match(await rig.run(['apply', '-f', policy]), {exit: 0});
  t.match(await rig.run(['delete', 'tier', 't1']), {exit: 1, stderr: /Cannot delete a non-empty tier\n/});
  t.match(await rig.run(['delete', 'gnp', 'g']), {exit: 0});
  t.match(await rig.run(['delete', 'tier', 't1']), {exit: 0});
  const peer = file(
    'peer.yaml',
    `${head}BGPPeer\nmetadata: {name: p}\nspec: {peerIP: 192.0.2.1, asNumber: 1, filters: [f]}\n`,
  );
  t.match(await rig.run(['apply', '-f', peer]), {exit: 1, stderr: /'\[f\]' \(BGPFilter\(s\) not found\)/});
  await rig.run(['apply', '-f', file('filter.yaml', `${head}BGPFilter\nmetadata: {name: f}\n`)]);
  t.match(await rig.run(['apply', '-f', peer]), {exit: 0});
  await rig.run(['delete', 'bgpfilter', 'f']);
  t.match(await rig.run(['apply', '-f', peer]), {exit: 1, stderr: /not found/}, 'also when it is changed');
});

void t.test('many resources', async (t) => {
  const nodes = Array.from(
    {length: 100},
    (_, i) => `apiVersion: projectcalico.org/v3\nkind: Node\nmetadata: {name: n${i}}\n`,
  );
  const name = file('nodes.yaml', nodes.join('---\n'));
  t.same(await rig.run(['apply', '-f', name]), {
    exit: 0,
    stdout: "Successfully applied 100 'Node' resource(s)\n",
    stderr: '',
  });
  t.same(await rig.run(['apply', '-f', name]), {
    exit: 0,
    stdout: "Successfully applied 100 'Node' resource(s)\n",
    stderr: '',
  });
  const initial = 4; // ClusterInformation and the built-in tiers
  t.equal((await rig.content()).size, 100 + initial);
  t.same(await rig.run(['delete', '-f', name]), {
    exit: 0,
    stdout: "Successfully deleted 100 'Node' resource(s)\n",
    stderr: '',
  });
  t.equal((await rig.content()).size, initial);
});

void t.test('templates', async (t) => {
  const pools = [pool('a', '10.0.0.0/16', ', natOutgoing: true'), pool('b', '10.1.0.0/16')].join('---\n');
  await rig.run(['apply', '-f', file('pools.yaml', pools)]);
  const print = async (template: string, ...names: readonly string[]) =>
    rig.run(['get', 'ippool', ...names, '-o', `go-template=${template}`]);
  const cases: readonly (readonly [template: string, printed: string])[] = [
    ['{{range .}}{{range .Items}}{{.Name}} {{.Spec.CIDR}}\n{{end}}{{end}}', 'a 10.0.0.0/16\nb 10.1.0.0/16\n'],
    ['{{range .}}{{range .Items}}{{if .Spec.NATOutgoing}}{{.ObjectMeta.Name}}{{else}}-{{end}}{{end}}{{end}}', 'a-'],
    [
      '{{range .}}{{range .Items}}{{printf "%-4s|%4d|%q" .Name .Spec.BlockSize .Spec.IPIPMode}}\n{{end}}{{end}}',
      'a   |  26|"Never"\nb   |  26|"Never"\n',
    ],
    ['{{(index (index . 0).Items 1).Name}}', 'b'],
    ['{{range .}}{{- range .Items -}} {{.Spec.AllowedUses}} {{- end}}{{end}}', '[Workload Tunnel][Workload Tunnel]'],
    ['{{range .}}{{range .Items}}{{range .Labels}}x{{else}}none {{end}}{{end}}{{end}}', 'none none '],
    ['{{/* nothing */}}plain', 'plain'],
  ];
  for (const [template, stdout] of cases) t.same(await print(template), {exit: 0, stdout, stderr: ''}, template);
  t.same((await print('{{range .}}{{.Name}}{{end}}', 'a')).stdout, 'a');
  for (const [template, message] of [
    ['{{len .}}', /function "len" is not supported/],
    ['{{with .}}{{end}}', /"with" is not supported/],
    ['{{. | printf "%s"}}', /"\|" is not supported/],
    ['{{$x := 1}}', /"\$x" is not supported/],
    ['{{range .}}', /has no \{\{end\}\}/],
    ['{{end}}', /unexpected/],
    ['{{range .}}{{range .Items}}{{.Spec.Bogus}}{{end}}{{end}}', /can't evaluate field Bogus/],
    ['{{.constructor}}', /can't evaluate field constructor/],
    ['{{printf "%x" 1}}', /%x is not supported/],
    ['{{', /unclosed action/],
  ] as const)
    t.match(await print(template), {exit: 1, stdout: '', stderr: message}, template);
});

void t.test('node status says whether the agent runs, ours or theirs', async (t) => {
  const status = (...processes: readonly (readonly string[])[]) => rig.run(['node', 'status'], {processes});
  const running = {exit: 0, stdout: /^Calico process is running\.\n/, stderr: ''};
  const ours = ['/opt/bin/node', '--max-semi-space-size=4', '/opt/calico/dist/node/main.js'];
  t.match(await status(['calico-felix']), running);
  t.match(await status(['sh'], ['runsv', '-felix']), running);
  t.match(await status(['init'], ours), running);
  for (const other of [[...ours, '-felix-live'], ['grep', 'calico-felix'], ['']])
    t.same(await status(other), {exit: 1, stdout: 'Calico process is not running.\n', stderr: ''}, other.join(' '));
});

void t.test('patch and label do not drop what they cannot read', async (t) => {
  const key = '/calico/resources/v3/projectcalico.org/felixconfigurations/default';
  const head = '{"kind":"FelixConfiguration","apiVersion":"projectcalico.org/v3","metadata":{"name":"default"},"spec":';
  await rig.load(new Map([[key, `${head}{"routeRefreshInterval":"90x"}}`]]));
  for (const args of [
    ['patch', 'felixconfig', 'default', '-p', '{"spec":{"bpfEnabled":true}}'],
    ['label', 'felixconfig', 'default', 'a=b'],
  ])
    t.match(
      await rig.run(args),
      {exit: 1, stderr: /cannot be edited.*spec\.routeRefreshInterval = "90x"/},
      args.join(' '),
    );
  t.match((await rig.content()).get(key), '90x');
});

void t.test('patches of all three types', async (t) => {
  await rig.run(['apply', '-f', file('p.yaml', pool('p', '10.0.0.0/16'))]);
  const patch = (type: string, text: string) => rig.run(['patch', 'pool', 'p', '-t', type, '-p', text]);
  const spec = async (): Promise<string> => (await rig.run(['get', 'pool', 'p', '-o', 'json'])).stdout;
  t.match(await patch('merge', '{"spec":{"allowedUses":["Tunnel"]}}'), {exit: 0, stderr: ''});
  t.match(await spec(), /"allowedUses": \[\s+"Tunnel"\s+\]/);
  t.match(await patch('json', '[{"op":"add","path":"/spec/allowedUses/-","value":"Workload"}]'), {exit: 0, stderr: ''});
  t.match(await spec(), /"allowedUses": \[\s+"Tunnel",\s+"Workload"\s+\]/);
  t.match(await patch('json', '[{"op":"test","path":"/spec/cidr","value":"10.1.0.0/16"}]'), {
    exit: 1,
    stderr: /^hit error: performing JSON patch: operation 1 .*: the value is another\n$/,
  });
  t.match(await patch('merge', '{"kind":"Node"}'), {exit: 1, stderr: /apiVersion and kind must stay|not recognized/});
});
