import t from 'tap';
import {environmentLayer, parseConfigFile} from '../../../src/felix/config-sources.ts';

void t.test('the environment', async (t) => {
  const layer = environmentLayer({
    FELIX_VXLANVNI: '1',
    felix_IPV6Support: 'false',
    NODENAME: 'x',
    FELIX_NOTHING: undefined,
    XFELIX_A: '1',
  });
  t.same(
    [...layer],
    [
      ['VXLANVNI', '1'],
      ['IPV6Support', 'false'],
    ],
  );
});

void t.test('the file', async (t) => {
  const text = [
    '# comment',
    '; comment',
    '',
    '[global]',
    'LogFilePath = /var/log/calico/felix.log',
    'EtcdEndpoints: https://a:2379',
    '[log]  # all sections count',
    'VXLANVNI=5000   # behind white space',
    "LogPrefix = 'a # b' ; quoted",
    'InterfacePrefix = cali,tap#1',
    'VXLANVNI=6000',
    'VXLANMTU =',
    '__proto__ = 1',
  ].join('\r\n');
  t.same(
    [...parseConfigFile(text)],
    [
      ['LogFilePath', '/var/log/calico/felix.log'],
      ['EtcdEndpoints', 'https://a:2379'],
      ['VXLANVNI', '6000'],
      ['LogPrefix', 'a # b'],
      ['InterfacePrefix', 'cali,tap#1'],
      ['VXLANMTU', ''],
      ['__proto__', '1'],
    ],
  );
  t.equal(parseConfigFile('').size, 0);
});

void t.test('a line that is neither is named', async (t) => {
  for (const line of ['no value', '= 1', '[open', 'two words = 1'])
    t.throws(() => parseConfigFile(`A = 1\n${line}`), {code: 'E_BAD_CONFIG', context: {line: 2}}, line);
});
