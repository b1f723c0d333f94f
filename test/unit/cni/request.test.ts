/** From variables and standard input to a request: what is accepted, and with which code everything else is refused. */
import t from 'tap';
import {parseCniArgs} from '../../../src/cni/cni-args.ts';
import {cniFailureOf, printFailure} from '../../../src/cni/cni-error.ts';
import {requireVersion} from '../../../src/cni/cni-version.ts';
import {decodeNetwork, readNetworkConfig} from '../../../src/cni/network-config.ts';
import {type CniRequest, readRequest, requireNetns} from '../../../src/cni/request.ts';
import {AgentError} from '../../../src/lib/errors.ts';
import type {NetnsState, ShimRequest} from '../../../src/native/shim-protocol.ts';

const OWN = 7n;
const dependencies = {
  hostInode: OWN,
  addon: {
    networkNamespace: (fd: number) => (fd === 1 ? undefined : {inode: fd === 2 ? OWN : 99n, device: 4n}),
  },
};

interface Input {
  readonly env?: Readonly<Record<string, string>>;
  readonly stdin?: string;
  readonly netns?: NetnsState;
  readonly fd?: number;
}

function read({env = {}, stdin, netns = {kind: 'attached'}, fd = 3}: Input): CniRequest {
  const environment = {
    CNI_COMMAND: 'ADD',
    CNI_CONTAINERID: 'abc',
    CNI_NETNS: '/run/netns/x',
    CNI_IFNAME: 'eth0',
    CNI_PATH: '/opt/cni/bin',
    ...env,
  };
  const request: ShimRequest = {
    kind: 'request',
    program: 'calico',
    environment: new Map(Object.entries(environment)),
    stdin: new TextEncoder().encode(stdin ?? '{"cniVersion":"1.0.0","name":"net","ipam":{"type":"calico-ipam"}}'),
    netns,
  };
  return readRequest(request, netns.kind === 'attached' ? fd : undefined, dependencies);
}

/** Code and message of what `work` throws. */
function failure(work: () => unknown): string {
  try {
    work();
  } catch (error) {
    const {code, msg} = cniFailureOf(error);
    return `${code} ${msg}`;
  }
  return 'no error';
}

void t.test('variables', async (t) => {
  t.equal(
    failure(() => read({env: {CNI_CONTAINERID: '', CNI_PATH: ''}})),
    '4 required env variables [CNI_CONTAINERID,CNI_PATH] missing',
  );
  t.equal(
    failure(() => read({env: {CNI_COMMAND: 'FOO'}})),
    '4 unknown CNI_COMMAND: FOO',
  );
  for (const id of ['a/b', '-x', '_x', 'a b', 'ä', '..', '\u0000'])
    t.equal(
      failure(() => read({env: {CNI_CONTAINERID: id}})),
      '4 invalid characters in containerID',
      JSON.stringify(id),
    );
  t.equal(
    failure(() => read({env: {CNI_IFNAME: '0123456789abcdef'}})),
    '4 interface name is too long',
  );
  for (const name of ['.', '..'])
    t.equal(
      failure(() => read({env: {CNI_IFNAME: name}})),
      '4 interface name is . or ..',
    );
  for (const name of ['a/b', 'a:b', 'a b', 'a\nb'])
    t.match(
      failure(() => read({env: {CNI_IFNAME: name}})),
      /^4 interface name contains/,
    );
  for (const name of ['%d', 'a\u0001', 'ä', '$(x)'])
    t.match(
      failure(() => read({env: {CNI_IFNAME: name}})),
      /^4 interface name may/,
    );
  t.match(read({env: {CNI_IFNAME: 'eth-0.1_x'}}), {ifname: 'eth-0.1_x', version: '1.0.0'});
  t.match(
    read({
      env: {CNI_COMMAND: 'STATUS', CNI_CONTAINERID: '', CNI_IFNAME: ''},
      stdin: '{"cniVersion":"1.1.0","name":"x"}',
    }),
    {verb: 'STATUS'},
  );
});

void t.test('the network configuration', async (t) => {
  for (const stdin of ['', ' ', '{', '[]', '"x"', '5', 'true', '{"name":"x"}x', '\ufeff{"name":"x"}', '{"name":5}'])
    t.match(
      failure(() => read({stdin})),
      /^6 error unmarshall network config/,
      JSON.stringify(stdin),
    );
  for (const stdin of ['null', '{}', '{"name":""}', '{"name":null}'])
    t.equal(
      failure(() => read({stdin})),
      '7 missing network name',
      stdin,
    );
  for (const name of ['a/b', 'a b', 'ä', '-a', '__proto__', 'a\u0000b'])
    t.equal(
      failure(() => read({stdin: JSON.stringify({name})})),
      '7 invalid characters found in network name',
    );
  const field = (json: string) => failure(() => read({stdin: `{"name":"x",${json}}`}));
  for (const json of [
    '"mtu":"1400"',
    '"mtu":1400.5',
    '"ipam":"x"',
    '"ipam":{"type":3}',
    '"ipam":{"assign_ipv4":true}',
    '"ipam":{"ipv4_pools":"x"}',
    '"log_level":3',
    '"nodename":5',
    '"container_settings":"x"',
    '"policy":[]',
  ])
    t.match(field(json), /^999 failed to load netconf: \S+ must be /, json);
  t.equal(field('"mtu":null,"ipam":null,"args":{"x":[1]},"unknown":{"deep":[{}]}'), 'no error');
});

void t.test('defaults and meaning of fields', async (t) => {
  const config = (json: object) => {
    const {json: object, name} = decodeNetwork(new TextEncoder().encode(JSON.stringify({name: 'net', ...json})));
    return readNetworkConfig(object, name);
  };
  t.match(config({}), {
    mtu: 0,
    queues: 1,
    allowsIpForwarding: false,
    policyType: '',
    ipam: {type: '', wantsIpv4: true, wantsIpv6: false},
  });
  t.match(config({num_queues: -3}).queues, 1);
  t.match(config({ipam: {assign_ipv4: 'no', assign_ipv6: 'yes'}}).ipam, {wantsIpv4: true, wantsIpv6: false});
  t.match(config({ipam: {assign_ipv4: 'false', assign_ipv6: 'true'}}).ipam, {wantsIpv4: false, wantsIpv6: true});
  t.same(config({'cni.dev/valid-attachments': [{containerID: 'a', ifname: 'eth0'}]}).validAttachments, [
    {containerId: 'a', ifname: 'eth0'},
  ]);
  t.throws(() => config({'cni.dev/valid-attachments': [{containerID: 'a'}]}), {code: 'E_CNI_BAD_FIELD'});
});

void t.test('versions', async (t) => {
  t.equal(requireVersion('', 'ADD'), '0.2.0');
  for (const version of ['0.1.0', '0.3.1', '1.0.0', '1.1.0']) t.equal(requireVersion(version, 'DEL'), version);
  const code = (version: string, verb: 'ADD' | 'CHECK' | 'STATUS' | 'GC') =>
    failure(() => requireVersion(version, verb));
  for (const version of ['0.3', '1.0.1', '2.0.0', 'abc', '1.1'])
    t.equal(code(version, 'ADD'), '1 incompatible CNI versions');
  t.equal(code('0.3.1', 'CHECK'), '1 config version does not allow CHECK');
  t.equal(code('', 'STATUS'), '1 config version does not allow STATUS');
  t.equal(code('1.0.0', 'GC'), '1 config version does not allow GC');
  t.equal(code('9.9.9', 'STATUS'), '1 plugin version does not allow STATUS');
  t.match(code('abc', 'CHECK'), /^6 /);
});

void t.test('CNI_ARGS', async (t) => {
  t.same(parseCniArgs(''), {ip: undefined, pod: undefined});
  t.same(parseCniArgs('FOO=bar;IgnoreUnknown=1'), {ip: undefined, pod: undefined});
  t.same(parseCniArgs('K8S_POD_NAMESPACE=ns;K8S_POD_NAME=p;K8S_POD_INFRA_CONTAINER_ID=x').pod, {
    namespace: 'ns',
    name: 'p',
  });
  t.equal(parseCniArgs('K8S_POD_NAME=p;K8S_POD_NAMESPACE=').pod, undefined);
  t.equal(parseCniArgs('IP=::ffff:10.244.50.7').ip, '10.244.50.7');
  t.equal(parseCniArgs('IP=FD00:0::5').ip, 'fd00::5');
  t.equal(parseCniArgs('IP=').ip, undefined);
  for (const text of [
    'FOO',
    ';',
    'a=b=c',
    'IgnoreUnknown=xyz',
    'IgnoreUnknown=0;FOO=bar',
    'IP=notanip',
    'IP=10.0.0.1/24',
    'IP=010.0.0.1',
    'IP=10.0.0.1,10.0.0.2',
    'K8S_POD_NAME=a/b;K8S_POD_NAMESPACE=n',
    `K8S_POD_NAME=${'x'.repeat(254)};K8S_POD_NAMESPACE=n`,
  ])
    t.match(
      failure(() => parseCniArgs(text)),
      /^999 ARGS: /,
      text.slice(0, 40),
    );
});

void t.test('the namespace', async (t) => {
  const netnsOf = (input: Input) => {
    const request = read({env: {CNI_COMMAND: 'DEL'}, ...input});
    if (!('netns' in request)) throw new Error('not about a container');
    return request.netns;
  };
  t.match(netnsOf({fd: 3}), {kind: 'open', fd: 3, path: '/run/netns/x'});
  t.match(netnsOf({fd: 1}), {kind: 'not-a-namespace'});
  t.match(netnsOf({fd: 2}), {kind: 'own'});
  t.match(netnsOf({netns: {kind: 'failed', errno: 2}}), {kind: 'unopened', errno: 2, reason: 'ENOENT'});
  t.match(netnsOf({netns: {kind: 'absent'}}), {kind: 'absent'});
  const code = (input: Input) => failure(() => requireNetns(netnsOf(input)));
  t.match(code({fd: 1}), /^999 .*no network namespace/);
  t.match(code({fd: 2}), /^8 /);
  t.match(code({netns: {kind: 'failed', errno: 2}}), /^999 cannot open \/run\/netns\/x: ENOENT/);
});

void t.test('errors as a runtime reads them', async (t) => {
  const text = printFailure(
    cniFailureOf(new AgentError('E_CNI_BAD_ENV', 'invalid characters in containerID', {details: 'a<b'})),
  );
  t.equal(text, '{\n    "code": 4,\n    "msg": "invalid characters in containerID",\n    "details": "a\\u003cb"\n}');
  t.equal(
    printFailure(cniFailureOf(new AgentError('E_CNI_INCOMPATIBLE', 'config version does not allow GC'))),
    '{\n    "code": 1,\n    "msg": "config version does not allow GC"\n}',
  );
  const failed = cniFailureOf(new AgentError('E_IPAM_NO_POOL', 'no pool', {}, new Error('because')));
  t.match(failed, {code: 999, msg: 'no pool: because', details: /Create or enable an IPPool/});
  t.equal(cniFailureOf(new TypeError('x')).code, 999);
  t.equal(cniFailureOf(new AgentError('E_CNI_FAILED', 'x'.repeat(100_000))).msg.length, 4096);
});
