/** Felix's parameters: the table is complete and consistent, each syntax reads what Calico's reads, fields become text. */
import t from 'tap';
import {compareBytes} from '../../../src/lib/byte-order.ts';
import {
  defaultFelixValue,
  FELIX_PARAMETER_NAMES,
  FELIX_PARAMETERS,
  type FelixParameter,
  type FelixParameterName,
  felixParameters,
  findFelixParameter,
  parseFelixValue,
} from '../../../src/model/felix-parameters.ts';
import {FelixConfiguration} from '../../../src/model/kinds/felix-configuration.ts';
import {readStored} from './captured.ts';

const parsedValue = (name: FelixParameterName, text: string): unknown => {
  const parsed = parseFelixValue(name, text);
  return 'rule' in parsed ? {refused: parsed.rule} : parsed.value;
};

void t.test('every default is of its syntax, every field belongs to one parameter', async (t) => {
  const fields = new Map<string, string>();
  for (const name of FELIX_PARAMETER_NAMES) {
    t.doesNotThrow(() => defaultFelixValue(name), name);
    const {field}: FelixParameter = FELIX_PARAMETERS[name];
    if (field === undefined) continue;
    t.notOk(fields.has(field), `${field} sets one parameter`);
    fields.set(field, name);
  }
  const declared = Object.keys(
    FelixConfiguration.schema.toJSONSchema({unrepresentable: 'any', io: 'input'}).properties ?? {},
  );
  t.ok(declared.includes('spec'));
  t.equal(fields.size, 187, 'all fields but nodeSelector');
  t.equal(FELIX_PARAMETER_NAMES.length, 218);
});

void t.test('defaults', async (t) => {
  t.equal(defaultFelixValue('VXLANPort'), 4789);
  t.equal(defaultFelixValue('VXLANEnabled'), undefined);
  t.equal(defaultFelixValue('IptablesMarkMask'), 0xffff0000);
  t.equal(defaultFelixValue('RouteRefreshInterval'), 90_000);
  t.equal(defaultFelixValue('IptablesLockProbeIntervalMillis'), 50);
  t.equal(defaultFelixValue('FailsafeInboundHostPorts').length, 9);
  t.equal(defaultFelixValue('BPFConntrackTimeouts').get('TCPFinsSeen'), 'Auto');
  t.ok(defaultFelixValue('MTUIfacePattern')?.test('eth0'));
  t.same(defaultFelixValue('InterfacePrefix'), ['cali']);
});

void t.test('values', async (t) => {
  const cases: readonly [FelixParameterName, string, unknown][] = [
    ['HealthEnabled', 'Yes', true],
    ['HealthEnabled', '0', false],
    ['HealthEnabled', 'on', {refused: 'must be true, 1, yes, y, t or false, 0, no, n, f'}],
    ['VXLANMTU', '0x5aa', 1450],
    ['VXLANMTU', '010', 8],
    ['VXLANMTU', '-1', -1],
    ['VXLANMTU', '09', {refused: 'must be a whole number'}],
    ['VXLANMTU', '9007199254740993', {refused: 'must be a whole number'}],
    ['VXLANMTU', 'none', 0],
    ['HealthPort', '65536', {refused: 'must be a whole number between 0 and 65535'}],
    ['GoGCThreshold', '-2', {refused: 'must be a whole number of at least -1'}],
    ['RouteRefreshInterval', '0.5', 500],
    ['RouteRefreshInterval', '1e1', 10_000],
    ['RouteRefreshInterval', '90s', {refused: 'must be a number of seconds'}],
    ['RouteRefreshInterval', 'NaN', {refused: 'must be a number of seconds'}],
    ['ChainInsertMode', 'INSERT', 'insert'],
    ['IptablesBackend', 'NFT', 'nft'],
    ['ChainInsertMode', 'none', {refused: 'must not be none'}],
    ['ChainInsertMode', 'x', {refused: 'must be one of insert, append'}],
    ['DeviceRouteSourceAddress', '10.0.0.1', '10.0.0.1'],
    ['DeviceRouteSourceAddress', 'fd00::1', {refused: 'must be an IPv4 address'}],
    ['DeviceRouteSourceAddressIPv6', 'FD00:0::1', 'fd00::1'],
    ['IptablesMarkMask', '0x8000', {refused: 'must be 32 bits, at least 2 of them set, for example 0xffff0000'}],
    ['IptablesMarkMask', '0xff', 255],
    ['NATPortRange', '10:20', {min: 10, max: 20}],
    ['NATPortRange', '20:10', {refused: 'must be a port or a range min:max'}],
    [
      'KubeNodePortRanges',
      '1, 5:7',
      [
        {min: 1, max: 1},
        {min: 5, max: 7},
      ],
    ],
    ['RouteTableRange', '1-250', {min: 1, max: 250}],
    ['RouteTableRange', '1-251', {refused: 'must be a range min-max within 1-250'}],
    [
      'RouteTableRanges',
      '1-250,1000-1100',
      [
        {min: 1, max: 250},
        {min: 1000, max: 1100},
      ],
    ],
    ['RouteTableRanges', '1-70000', {refused: 'must have at most 65535 tables together'}],
    ['ExternalNodesCIDRList', '10.0.0.1, 10.1.0.0/16,', ['10.0.0.1/32', '10.1.0.0/16']],
    ['InterfacePrefix', 'cali,tap', ['cali', 'tap']],
    [
      'InterfacePrefix',
      'cali, tap',
      {refused: "must be a list of 1 to 15 letters, digits, '_' or '-', without spaces"},
    ],
    ['OpenstackRegion', 'Bad_Region', {refused: 'must be a DNS label of at most 46 characters'}],
    ['IstioDSCPMark', 'ef', 46],
    ['IstioDSCPMark', 'AF23', 22],
    ['IstioDSCPMark', '64', {refused: 'must be 0 to 63 or a name such as EF, AF11, CS1'}],
    ['EtcdEndpoints', 'http://a:1, http://b:2', ['http://a:1', 'http://b:2']],
    ['EtcdEndpoints', 'http://a:1,https://b:2', {refused: 'must be URLs of one scheme'}],
    ['EtcdEndpoints', 'http://u:p@a:1/x', {refused: 'must be a list of http(s)://host:port'}],
    ['FailsafeInboundHostPorts', 'none', []],
    [
      'FailsafeInboundHostPorts',
      'tcp:sctp',
      {refused: 'must be a list of [tcp:|udp:][cidr:]port, an IPv6 CIDR in [ ]'},
    ],
    ['FailsafeInboundHostPorts', 'sctp:22', {refused: 'must be a list of [tcp:|udp:][cidr:]port, an IPv6 CIDR in [ ]'}],
    [
      'FailsafeInboundHostPorts',
      '22, UDP:10.0.0.0/8:53,tcp:[fd00::/8]:1',
      [
        {protocol: 'tcp', net: undefined, port: 22},
        {protocol: 'udp', net: '10.0.0.0/8', port: 53},
        {protocol: 'tcp', net: 'fd00::/8', port: 1},
      ],
    ],
    [
      'HealthTimeoutOverrides',
      'A=1m,B=5s',
      new Map([
        ['A', 60_000],
        ['B', 5000],
      ]),
    ],
    [
      'HealthTimeoutOverrides',
      'A',
      {refused: 'must be a list of key=duration, for example InternalDataplaneMainLoop=5m'},
    ],
    ['BPFLogFilters', 'all=tcp,', new Map([['all', 'tcp']])],
    ['MTUIfacePattern', '(', {refused: 'must be a regular expression'}],
  ];
  for (const [name, text, expected] of cases) t.strictSame(parsedValue(name, text), expected, `${name}=${text}`);
});

void t.test('interfaces to leave alone: names match whole, patterns as they say', async (t) => {
  const parsed = parseFelixValue('InterfaceExclude', 'kube-ipvs0,/^veth/');
  const patterns = 'value' in parsed ? parsed.value : [];
  const excluded = (name: string) => patterns.some((pattern) => pattern.test(name));
  t.same(['kube-ipvs0', 'kube-ipvs01', 'veth9', 'myveth'].map(excluded), [true, false, true, false]);
  t.ok('rule' in parseFelixValue('InterfaceExclude', 'a b'));
});

void t.test('names are found in any case', async (t) => {
  t.equal(findFelixParameter('DEFAULTENDPOINTTOHOSTACTION'), 'DefaultEndpointToHostAction');
  t.equal(findFelixParameter('vxlanmtu'), 'VXLANMTU');
  t.equal(findFelixParameter('constructor'), undefined);
  t.equal(findFelixParameter('__proto__'), undefined);
});

void t.test('a captured configuration with nearly every field set becomes text that parses', async (t) => {
  const entry = readStored('stored.jsonl').find(
    ({key, value}) => key.endsWith('felixconfigurations/default') && value.length > 3000,
  );
  if (entry === undefined) throw new Error('the fixture is gone');
  const {spec, metadata} = FelixConfiguration.decode(entry.value, entry.key);
  const texts = felixParameters(spec, metadata.annotations);
  t.equal(texts.size, Object.keys(spec).length);
  for (const [name, text] of texts) {
    const known = findFelixParameter(name);
    if (known === undefined) t.fail(name);
    else t.ok('value' in parseFelixValue(known, text), `${name}=${text}`);
  }
  const expected = {
    Ipv6Support: 'false',
    IpInIpMtu: '1480',
    RouteRefreshInterval: '100',
    IptablesLockProbeIntervalMillis: '250',
    DebugSimulateDataplaneApplyDelay: '0.001',
    FailsafeInboundHostPorts: 'tcp:10.0.0.0/8:22,udp:68,tcp:[fd00::/8]:179',
    FailsafeOutboundHostPorts: 'none',
    KubeNodePortRanges: '30000,31000:31999',
    RouteTableRanges: '1-250,1000-1100',
    HealthTimeoutOverrides: 'InternalDataplaneMainLoop=5m0s',
    BPFConntrackTimeouts:
      'CreationGracePeriod=11s,TCPSynSent=Auto,TCPEstablished=2h,TCPFinsSeen=Auto,TCPResetSeen=41s,UDPTimeout=61s,GenericTimeout=11m,ICMPTimeout=6s',
    BPFLogFilters: 'all=icmp,eth0=tcp port 80',
    BPFConntrackCleanupMode: 'Userspace',
    ExternalNodesCIDRList: '10.9.0.0/16,10.8.0.1',
    LogSeverityScreen: 'INFO',
    WireguardPersistentKeepAlive: '25',
  };
  for (const [name, text] of Object.entries(expected)) t.equal(texts.get(name), text, name);
});

void t.test('annotations win and may name anything; what is unset or empty is not there', async (t) => {
  const {spec} = FelixConfiguration.create({
    metadata: {name: 'other'},
    spec: {nodeSelector: 'all()', logFilePath: '', routeTableRange: {min: 1, max: 9}, externalNodesList: []},
  });
  const texts = felixParameters(spec, {
    'config.projectcalico.org/nftablesmode': 'Enabled',
    'config.projectcalico.org/Future': 'x',
    other: 'y',
  });
  t.same(
    [...texts].toSorted(([a], [b]) => compareBytes(a, b)),
    [
      ['BPFConnectTimeLoadBalancing', 'TCP'],
      ['BPFHostNetworkedNATWithoutCTLB', 'Enabled'],
      ['FloatingIPs', 'Disabled'],
      ['Future', 'x'],
      ['NFTablesMode', 'Enabled'],
      ['RouteTableRange', '1-9'],
    ],
  );
});
