/** The import rules of the project, each with its reason, and the proof that the checker sees what breaks them. */
import {fileURLToPath} from 'node:url';
import t from 'tap';
import {findViolations, type RoomRule} from '../helpers/import-rules.ts';

const HIGHER = ['lib', 'model', 'ipam', 'bgp', 'datastore'];

const RULES: readonly RoomRule[] = [
  {
    room: 'lib',
    ours: [],
    packages: ['pino', 'prom-client', 'node:timers/promises{setImmediate}', 'node:net{isIP,isIPv4,isIPv6}'],
    because: 'lib is below everything and does no I/O; logging and metrics are the exceptions every room needs',
  },
  {
    room: 'model',
    ours: ['lib'],
    packages: ['zod', 'node:crypto{createHash,randomUUID}'],
    isPure: true,
    because: 'what a resource means must not depend on where it came from or when',
  },
  {room: 'native', ours: ['lib'], packages: ['node:module'], because: 'the addon is system calls without policy'},
  {
    room: 'netlink',
    ours: ['lib', 'native'],
    packages: ['node:os{constants,endianness}', 'node:crypto{randomInt}'],
    because: 'codecs and sockets know nothing of what they are used for',
  },
  {
    room: 'exec',
    ours: ['lib', 'native'],
    packages: ['node:child_process', 'node:path'],
    because: 'the only room that starts programs',
  },
  {
    room: 'felix/calc',
    ours: ['lib', 'model'],
    packages: ['node:util{isDeepStrictEqual}'],
    isPure: true,
    because: 'calculation depends on current state only: nothing that waits, no time, no chance, no kernel',
  },
  {
    room: 'felix/rules',
    ours: ['lib', 'model'],
    packages: [],
    isPure: true,
    because: 'rendering of rules is pure, and calicoctl uses it too',
  },
  {
    room: 'felix/dataplane',
    ours: ['lib', 'model', 'type felix/calc', 'type felix/rules'],
    packages: [],
    isPure: true,
    because: 'render knows the Driver interface and no concrete driver; it is told by intents and asks nobody',
  },
  {
    room: 'felix/drivers/shared',
    ours: ['lib', 'netlink', 'felix/dataplane/entries.ts', 'type felix/dataplane/host-links.ts'],
    packages: ['node:os{constants}', 'node:util{getSystemErrorName}'],
    because: 'what several drivers need to read the kernel, and no driver itself',
  },
  {
    room: 'felix/drivers/*',
    ours: [
      'lib',
      'netlink',
      'exec',
      'type felix/rules',
      'felix/drivers/shared',
      'felix/dataplane/entries.ts',
      'type felix/dataplane/host-links.ts',
      'type felix/dataplane/kernel-view.ts',
    ],
    packages: ['node:fs/promises', 'node:path', 'node:crypto{randomBytes}'],
    because: 'a driver knows its kind of kernel object, neither another driver nor why the object is wanted',
  },
  {
    room: 'felix',
    ours: [
      'lib',
      'model',
      'datastore',
      'netlink',
      'native',
      'exec',
      'felix/calc',
      'felix/rules',
      'felix/dataplane',
      'felix/drivers/*',
    ],
    packages: ['node:*', 'prom-client'],
    because: 'felix wires its rooms; nothing of node, cni or ipam',
  },
  {
    room: 'ipam',
    ours: ['lib', 'model', 'type datastore/store.ts', 'datastore/precondition.ts'],
    packages: [],
    because: 'block arithmetic is pure, and the allocator knows the Store interface and no store',
  },
  {
    room: 'bgp',
    ours: ['lib', 'model', 'exec'],
    packages: ['node:*'],
    because: 'BIRD configuration is text, BIRD a program',
  },
  {
    room: 'datastore',
    ours: ['lib', 'model'],
    packages: ['node:*'],
    because: 'a store serves everybody and knows nobody; several engines hide behind one interface',
  },
  {
    room: 'typha-client',
    ours: ['lib', 'model', 'datastore'],
    packages: ['node:*', 'ws'],
    because: 'the same stream as a store',
  },
  {
    room: 'typha',
    ours: ['lib', 'model', 'datastore', 'typha-client'],
    packages: ['node:*', 'ws'],
    because: 'a fan-out of one store',
  },
  {room: 'controllers', ours: HIGHER, packages: ['node:*'], because: 'works on the datastore alone, on no node'},
  {
    room: 'cni',
    ours: ['lib', 'model', 'ipam', 'datastore', 'netlink', 'native'],
    packages: ['node:*', 'prom-client'],
    because: 'plumbs one pod; the host side is desired state of felix, reached through a report',
  },
  {
    room: 'node',
    ours: [...HIGHER, 'cni', 'netlink', 'native', 'exec'],
    packages: ['node:*', 'prom-client'],
    because: 'start-up and wiring; felix comes in through main.ts only',
  },
  {
    room: 'calicoctl',
    ours: [...HIGHER, 'felix/calc', 'felix/rules', 'type exec'],
    packages: ['node:*', 'yaml'],
    because:
      'explain and diff use the model that programs the kernel, but never the kernel; main.ts hands in what starts programs',
  },
];

void t.test('the sources keep the rules', async (t) => {
  t.same(findViolations(fileURLToPath(new URL('../../src', import.meta.url)), RULES), []);
});

void t.test('every rule has a reason and a room of its own', async (t) => {
  for (const {room, because} of RULES) t.ok(because.length > 20, room);
  t.equal(new Set(RULES.map(({room}) => room)).size, RULES.length);
});

void t.test('what is allowed is not reported', async (t) => {
  const folder = t.testdir({
    lib: {
      'a.ts': `/** import {x} from '../felix/calc/x.ts'; process.exit() */
        // import '../model/m.ts'
        import {isIPv4, type IPVersion} from 'node:net';
        import type {Socket} from 'node:net';
        import {b} from './b.ts';
        export const text = "no import x from 'fs' here"; export {b};`,
      'b.ts': `import {pino} from 'pino'; export const b = 1;`,
    },
    felix: {
      calc: {'x.ts': `import {b} from '../../lib/b.ts'; export interface X {}`},
      dataplane: {
        'y.ts': `import {type X} from '../calc/x.ts'; import type {X as Y} from '../calc/x.ts';`,
        'entries.ts': '',
      },
      drivers: {
        routes: {'r.ts': `import {s} from '../shared/s.ts'; import {e} from '../../dataplane/entries.ts';`},
        shared: {'s.ts': ''},
      },
      'felix.ts': `import {r} from './drivers/routes/r.ts'; await import('node:fs');`,
    },
    node: {'main.ts': `import {felix} from '../felix/felix.ts'; import {x} from '../felix/calc/x.ts';`},
  });
  t.same(findViolations(folder, RULES), []);
});

void t.test('planted violations are noticed', async (t) => {
  const planted = (files: Record<string, string>) => {
    const folder = t.testdir(nested(files));
    return findViolations(folder, RULES).map((violation) => violation.replace(/ \(.*\)$/, ''));
  };
  const cases: readonly (readonly [files: Record<string, string>, violations: readonly string[]])[] = [
    [
      {'felix/calc/y.ts': `import {x} from '../dataplane/x.ts';`, 'felix/dataplane/x.ts': ''},
      ['felix/calc/y.ts -> felix/dataplane/x.ts: not allowed'],
    ],
    [
      {'felix/calc/y.ts': `import {\n  a,\n  b,\n} from '../../datastore/store.ts';`},
      ['felix/calc/y.ts -> datastore/store.ts: not allowed'],
    ],
    [
      {'felix/calc/y.ts': `export const f = () => import('../../datastore/store.ts');`},
      ['felix/calc/y.ts -> datastore/store.ts: not allowed'],
    ],
    [{'felix/calc/y.ts': `import '../../datastore/store.ts';`}, ['felix/calc/y.ts -> datastore/store.ts: not allowed']],
    [{'felix/calc/y.ts': 'export const now = () => Date.now();'}, ['felix/calc/y.ts: uses Date.now']],
    [{'felix/calc/y.ts': 'const name = process.env.HOSTNAME;'}, ['felix/calc/y.ts: uses process.']],
    [
      {'felix/dataplane/x.ts': `import {type A, b} from '../calc/y.ts';`},
      ['felix/dataplane/x.ts -> felix/calc/y.ts: not allowed'],
    ],
    [
      {'felix/drivers/routes/r.ts': `import {l} from '../links/l.ts';`},
      ['felix/drivers/routes/r.ts -> felix/drivers/links/l.ts: not allowed'],
    ],
    [{'ipam/a.ts': `import {Store} from '../datastore/store.ts';`}, ['ipam/a.ts -> datastore/store.ts: not allowed']],
    [{'cni/c.ts': `import {f} from '../felix/felix.ts';`}, ['cni/c.ts -> felix/felix.ts: not allowed']],
    [{'node/n.ts': `import {spawn} from 'node:child_process';`}, ['node/n.ts -> node:child_process: not allowed']],
    [{'node/n.ts': `import {spawn} from 'child_process';`}, ['node/n.ts -> node:child_process: not allowed']],
    [{'lib/l.ts': `import {createServer} from 'node:net';`}, ['lib/l.ts -> node:net: not allowed']],
    [{'lib/l.ts': `import * as net from 'node:net';`}, ['lib/l.ts -> node:net: not allowed']],
    [
      {'lib/l.ts': `import fs from 'node:fs'; import {z} from 'zod';`},
      ['lib/l.ts -> node:fs: not allowed', 'lib/l.ts -> zod: not allowed'],
    ],
    [
      {'model/m.ts': `new Worker(new URL('../datastore/worker.ts', import.meta.url));`},
      ['model/m.ts -> datastore/worker.ts: not allowed'],
    ],
    [{'node/n.ts': `import {run} from '../felix/main.ts';`}, ['node/n.ts -> felix/main.ts: nobody imports a main.ts']],
    [{'node/n.ts': 'const name = "x"; await import(name);'}, ['node/n.ts -> : cannot be checked']],
    [{'model/index.ts': ''}, ['model/index.ts: a barrel file']],
    [{'model/all.ts': `export * from './m.ts';`}, ['model/all.ts -> model/m.ts: re-exports another file']],
    [{'model/all.ts': `export type {M} from './m.ts';`}, ['model/all.ts -> model/m.ts: re-exports another file']],
    [{'attic/old.ts': ''}, ['attic/old.ts: lies in no room']],
    [
      {
        'datastore/d.ts': `import type {I} from '../ipam/i.ts';`,
        'ipam/i.ts': `import type {S} from '../datastore/store.ts';`,
      },
      [
        'datastore/d.ts -> ipam/i.ts: not allowed',
        'cycle of rooms: ipam/i.ts -> datastore/store.ts, datastore/d.ts -> ipam/i.ts',
      ],
    ],
  ];
  for (const [files, violations] of cases) t.same(planted(files), violations);
});

/** Files by path as nested folders. */
function nested(files: Record<string, string>): NonNullable<Parameters<typeof t.testdir>[0]> {
  const root: Folder = {};
  for (const [path, code] of Object.entries(files)) {
    const names = path.split('/');
    const name = names.pop() ?? path;
    let folder = root;
    for (const part of names) {
      const inner = folder[part] ?? {};
      if (typeof inner === 'string') throw new Error(`${path} lies in a file`);
      folder[part] = inner;
      folder = inner;
    }
    folder[name] = code;
  }
  return root;
}

interface Folder {
  [name: string]: string | Folder;
}
