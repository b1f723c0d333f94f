import t from 'tap';
import {Config, type ConfigSource} from '../../../src/felix/config.ts';
import {type LogFields, type Logger, silentLogger} from '../../../src/lib/log.ts';

const layer = (values: Readonly<Record<string, string>>) => new Map(Object.entries(values));

function newConfig(): {config: Config; warnings: LogFields[]} {
  const warnings: LogFields[] = [];
  const log: Logger = {...silentLogger, warn: (fields) => warnings.push(fields)};
  return {config: new Config({log}), warnings};
}

void t.test('the highest layer that sets a parameter wins, and gives way again', async (t) => {
  const {config} = newConfig();
  t.equal(config.get('VXLANVNI'), 4096);
  t.equal(config.sourceOf('VXLANVNI'), 'default');
  const sources: ConfigSource[] = ['global', 'selector', 'node', 'file', 'environment', 'override'];
  sources.forEach((source, i) => {
    config.setLayer(source, layer({VXLANVNI: String(i + 1)}));
    t.same([config.get('VXLANVNI'), config.sourceOf('VXLANVNI')], [i + 1, source]);
  });
  config.setLayer('global', layer({VXLANVNI: '77'}));
  t.equal(config.get('VXLANVNI'), 6, 'a lower layer plays no part');
  config.setLayer('override', layer({}));
  t.equal(config.get('VXLANVNI'), 5);
  for (const source of sources) config.setLayer(source, layer({}));
  t.equal(config.get('VXLANVNI'), 4096);
});

void t.test('texts as Calico reads them', async (t) => {
  const {config, warnings} = newConfig();
  config.setLayer(
    'environment',
    layer({
      vxlanvni: '0x10',
      IPV6SUPPORT: 'f',
      RouteRefreshInterval: '1.5',
      InterfacePrefix: 'cali,tap',
      VXLANEnabled: 'none',
      VXLANPort: '',
      SomethingElse: '1',
      MTUIfacePattern: '^eth',
    }),
  );
  t.equal(config.get('VXLANVNI'), 16, 'names in any case, integers as in Go');
  t.equal(config.get('Ipv6Support'), false);
  t.equal(config.get('RouteRefreshInterval'), 1500, 'seconds, given in milliseconds');
  t.same(config.get('InterfacePrefix'), ['cali', 'tap']);
  t.equal(config.get('VXLANEnabled'), undefined, 'none is the zero value');
  t.equal(config.sourceOf('VXLANEnabled'), 'environment');
  t.equal(config.sourceOf('VXLANPort'), 'default', 'empty is unset');
  t.equal(config.get('VXLANPort'), 4789);
  t.same(config.get('MTUIfacePattern'), /^eth/u);
  t.same(warnings, []);
});

void t.test('a wrong text means the default, whatever lies below, and is named once', async (t) => {
  const {config, warnings} = newConfig();
  config.setLayer('global', layer({VXLANVNI: '5000'}));
  config.setLayer('node', layer({VXLANVNI: 'many'}));
  t.equal(config.get('VXLANVNI'), 4096);
  t.match(warnings, [{parameter: 'VXLANVNI', value: 'many', source: 'node', rule: /whole number/}]);
  config.setLayer('node', layer({VXLANVNI: 'many', VXLANPort: '1'}));
  t.equal(warnings.length, 1);
  config.setLayer('environment', layer({VXLANVNI: '7'}));
  t.equal(config.get('VXLANVNI'), 7);
});

void t.test('a text that must not be wrong is refused in every layer and changes nothing', async (t) => {
  const {config} = newConfig();
  config.setLayer('environment', layer({ChainInsertMode: 'append'}));
  config.setLayer('global', layer({VXLANVNI: '1', ChainInsertMode: 'insert'}));
  t.throws(() => config.setLayer('global', layer({VXLANVNI: '2', ChainInsertMode: 'sideways'})), {
    code: 'E_BAD_CONFIG',
    context: {parameter: 'ChainInsertMode', value: 'sideways', source: 'global'},
  });
  t.equal(config.get('VXLANVNI'), 1);
});

void t.test('what only this machine may say is not taken from the datastore', async (t) => {
  const {config} = newConfig();
  for (const source of ['global', 'selector', 'node'] as const)
    config.setLayer(source, layer({DatastoreType: 'kubernetes'}));
  t.equal(config.get('DatastoreType'), 'etcdv3');
  config.setLayer('file', layer({DatastoreType: 'kubernetes'}));
  t.equal(config.get('DatastoreType'), 'kubernetes');
});

void t.test('routes from workload addresses are not supported', async (t) => {
  const {config, warnings} = newConfig();
  config.setLayer('global', layer({RouteSource: 'WorkloadIPs'}));
  t.equal(config.get('RouteSource'), 'CalicoIPAM');
  t.match(warnings, [{parameter: 'RouteSource', rule: /CalicoIPAM/}]);
});

void t.test('subscribers are told of values that changed, after all of them have', async (t) => {
  const {config} = newConfig();
  const told: unknown[] = [];
  const end = config.subscribe(['VXLANVNI', 'VXLANPort', 'InterfacePrefix'], (changed) =>
    told.push([[...changed].toSorted(), config.get('VXLANVNI'), config.get('VXLANPort')]),
  );
  config.setLayer('global', layer({VXLANVNI: '1', VXLANPort: '2', HealthPort: '3'}));
  t.same(told.splice(0), [[['VXLANPort', 'VXLANVNI'], 1, 2]], 'once for a layer');
  config.setLayer('node', layer({VXLANVNI: '1', InterfacePrefix: 'cali'}));
  t.same(told, [], 'equal values, also where they come from another layer or equal the default');
  config.setLayer('node', layer({}));
  config.setLayer('global', layer({VXLANVNI: '1', VXLANPort: '2', HealthPort: '4'}));
  t.same(told, [], 'a parameter that nobody asked for');
  config.setLayer('override', layer({VXLANVNI: '9'}));
  t.same(told.splice(0), [[['VXLANVNI'], 9, 2]]);
  end();
  config.setLayer('override', layer({}));
  t.same(told, []);
});
