import t from 'tap';
import {escapeForTerminal} from '../../../src/calicoctl/output/escape.ts';
import {formatGoFloat, formatGoGeneral, roundHalfEven} from '../../../src/calicoctl/output/go-number.ts';
import {formatGrid} from '../../../src/calicoctl/output/grid.ts';
import {formatTable} from '../../../src/calicoctl/output/tab-writer.ts';

void t.test('columns are as wide as their widest cell and three spaces', async (t) => {
  t.equal(
    formatTable([
      ['NAME', 'CIDR'],
      ['default-ipv4-ippool', '10.244.0.0/16'],
      ['x', ''],
    ]),
    'NAME                  CIDR            \ndefault-ipv4-ippool   10.244.0.0/16   \nx                                     \n\n',
  );
  t.equal(formatTable([['A']]), 'A    \n\n', 'and five at least');
  t.equal(formatTable([['é'], ['日本']]), 'é    \n日本   \n\n', 'in characters, not in bytes');
});

void t.test('text of users cannot act on the terminal', async (t) => {
  t.equal(escapeForTerminal('a\x1b[2Jb\x07\n\t\x7f\x9b'), 'a\\u001b[2Jb\\u0007\\u000a\\u0009\\u007f\\u009b');
  t.equal(escapeForTerminal('\u202eevil\u2066'), '\\u202eevil\\u2066', 'nor hide by its direction');
  t.equal(escapeForTerminal('naïve 日本 😀'), 'naïve 日本 😀');
  t.notOk(formatTable([['N'], ['\x1b]0;title\x07']]).includes('\x1b'));
  t.notOk(formatGrid(['N'], [['\x1b]0;title\x07']]).includes('\x1b'));
});

void t.test('grids align headings in the middle, numbers right, text left', async (t) => {
  t.equal(
    formatGrid(
      ['GROUPING', 'IPS TOTAL'],
      [
        ['Block', '64'],
        ['IP Pool', '1.8447e+19'],
      ],
    ),
    [
      '+----------+------------+',
      '| GROUPING | IPS TOTAL  |',
      '+----------+------------+',
      '| Block    |         64 |',
      '| IP Pool  | 1.8447e+19 |',
      '+----------+------------+',
      '',
    ].join('\n'),
  );
  t.equal(formatGrid(['IP'], []), '+----+\n| IP |\n+----+\n+----+\n', 'empty');
});

void t.test('numbers as Go prints them', async (t) => {
  const general: readonly (readonly [number, string])[] = [
    [0, '0'],
    [8, '8'],
    [65536, '65536'],
    [123456, '1.2346e+05'],
    [2 ** 32, '4.295e+09'],
    [2 ** 64, '1.8447e+19'],
    [2 ** 80, '1.2089e+24'],
    [100000, '1e+05'],
  ];
  for (const [value, text] of general) t.equal(formatGoGeneral(value, 5), text);
  t.equal(formatGoFloat(1e21), '1e+21');
  t.equal(formatGoFloat(0.1), '0.1');
  t.equal(formatGoFloat(1e-7), '1e-07');
  t.equal(formatGoFloat(1_000_000), '1e+06');
  t.equal(formatGoFloat(1_000_000.25), '1.00000025e+06');
  t.equal(formatGoFloat(123_456), '123456');
  for (const [value, rounded] of [
    [12.5, 12],
    [62.5, 62],
    [37.5, 38],
    [0.5, 0],
    [1.5, 2],
    [98.4, 98],
  ] as const)
    t.equal(roundHalfEven(value), rounded, String(value));
});
