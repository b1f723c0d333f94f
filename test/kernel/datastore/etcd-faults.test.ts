/**
 * Everything that happens to an etcd, while it is written, watched and listed. For each fault: all numbered writes are
 * acknowledged in the end, the watcher's map is what etcdctl reads, revisions of a key only rise, every call ended by its
 * deadline, and a listing that the fault hit in the middle is of one moment or was refused.
 *
 * A cut is a proxy that stops forwarding one way; a slow disk is a tracer that delays each write of the real one.
 */
import t, {type Test} from 'tap';
import type {ErrorCode} from '../../../src/lib/errors.ts';
import {Authority, replaceFiles} from '../../helpers/certificates.ts';
import {type EtcdServer, etcdctl, readAll, revisionNow} from '../../helpers/etcd-server.ts';
import {EtcdLab, FOLDER, type LabOptions} from './support/etcd-lab.ts';

interface Fault {
  readonly writes: number;
  prepare?(t: Test): Promise<LabOptions>;
  /** Begins in the middle of a listing. */
  strike(lab: EtcdLab): Promise<void> | void;
  /** Ends it, once it was felt. */
  heal?(lab: EtcdLab): Promise<void>;
  /** Errors that must have been met by writers. */
  readonly expected?: readonly ErrorCode[];
  /** The listing succeeds nevertheless. */
  readonly listsAnyway?: boolean;
  /** The watcher cannot go on from where it was. */
  readonly losesHistory?: boolean;
}

/** Calls that waited end some time after their deadline when the machine is busy; a call that hangs takes for ever. */
const OVERRUN_MS = 1500;
const MEBIBYTE = 1024 * 1024;

const FAULTS: Readonly<Record<string, Fault>> = {
  'nothing at all': {writes: 500, strike() {}, listsAnyway: true},

  'compaction, with the watcher away': {
    writes: 2000,
    listsAnyway: true,
    losesHistory: true,
    async strike(lab) {
      lab.disturb((proxy) => proxy.close(), ['watcher']);
      lab.disturb((proxy) => proxy.sever(), ['watcher']);
      const {written} = lab;
      await lab.until(() => lab.written >= written + 200 && lab.status === 'waiting');
      await compact(lab);
    },
    async heal(lab) {
      lab.disturb((proxy) => proxy.mend());
      await lab.until(() => lab.status === 'in-sync');
    },
  },

  'the server is killed and started again': {
    writes: 10_000,
    expected: ['E_UNREACHABLE'],
    strike: (lab) => only(lab).kill(),
    async heal(lab) {
      await lab.until(() => lab.codes.writer.has('E_UNREACHABLE') && lab.status === 'waiting');
      await only(lab).start();
    },
  },

  'the server freezes': {
    writes: 500,
    expected: ['E_UNREACHABLE'],
    strike: (lab) => only(lab).freeze(),
    async heal(lab) {
      await lab.until(() => lab.codes.writer.size > 0 && lab.status === 'waiting');
      only(lab).thaw();
    },
  },

  'the way to the server is cut': {
    writes: 500,
    strike: (lab) => lab.disturb((proxy) => proxy.cut('to-server')),
    async heal(lab) {
      await lab.until(() => lab.codes.writer.size > 0 && lab.status === 'waiting');
      lab.disturb((proxy) => proxy.mend());
    },
  },

  'the way from the server is cut': {
    writes: 500,
    strike: (lab) => lab.disturb((proxy) => proxy.cut('to-client')),
    async heal(lab) {
      await lab.until(() => lab.codes.writer.size > 0 && lab.status === 'waiting');
      lab.disturb((proxy) => proxy.mend());
    },
  },

  'connections break': {
    writes: 1000,
    strike: (lab) => lab.disturb((proxy) => proxy.sever()),
    listsAnyway: true,
  },

  'the disk is slow': {
    writes: 150,
    prepare: async () => ({diskMs: 100}),
    strike() {},
    listsAnyway: true,
  },

  'the quota is used up': {
    writes: 1000,
    expected: ['E_STORE_FULL'],
    listsAnyway: true,
    prepare: async () => ({flags: {'quota-backend-bytes': String(16 * MEBIBYTE)}}),
    async strike(lab) {
      const value = 'x'.repeat(MEBIBYTE);
      await lab.until(() => lab.written > 100);
      for (let i = 0; !lab.codes.writer.has('E_STORE_FULL'); i++) {
        const put = {kind: 'put', key: `/filler/${i}`, value} as const;
        await lab.call('writer', (options) => lab.stores.writer.commit([put], options)).catch(() => {});
      }
    },
    async heal(lab) {
      const server = only(lab);
      await etcdctl(server, ['del', '--prefix', '/filler/']);
      await compact(lab);
      // What was compacted is removed by and by, and only what is removed can be given back; and a write that met the
      // quota just before raises the alarm once more.
      const {written} = lab;
      while (lab.written === written) {
        await etcdctl(server, ['defrag']);
        await etcdctl(server, ['alarm', 'disarm']);
        await lab.untilOrFor(500, () => lab.written > written);
      }
    },
  },

  'the leader of three is killed': {
    writes: 1500,
    prepare: async () => ({members: 3}),
    strike: async (lab) => (await leaderOf(lab)).kill(),
    async heal(lab) {
      // Two of three go on without it.
      const {written} = lab;
      await lab.until(() => lab.written > written + 300 && lab.status === 'in-sync');
      for (const server of lab.servers) if (!server.isRunning) await server.start();
    },
  },

  'the leader of three freezes': {
    writes: 1500,
    prepare: async () => ({members: 3}),
    strike: async (lab) => (await leaderOf(lab)).freeze(),
    async heal(lab) {
      const {written} = lab;
      await lab.until(() => lab.written > written + 300 && lab.status === 'in-sync');
      for (const server of lab.servers) server.thaw();
    },
  },

  'the certificate of the server expires': expiry('server'),
  'our own certificate expires': expiry('client'),
};

/** One side presents an expired certificate on new connections, and then one that was renewed in place. */
function expiry(side: 'server' | 'client'): Fault {
  let renew = async (_options: {isExpired: boolean}): Promise<void> => {};
  return {
    writes: 500,
    expected: ['E_UNAUTHORISED'],
    async prepare(t) {
      const authority = await Authority.create(t.testdir());
      const files = {server: await authority.issue('server'), client: await authority.issue('client')};
      renew = async (options) => replaceFiles(files[side], await authority.issue(side, options));
      return {tls: files.server, clientTls: files.client};
    },
    async strike(lab) {
      await renew({isExpired: true});
      lab.disturb((proxy) => proxy.sever());
    },
    async heal(lab) {
      await lab.until(() => lab.codes.writer.has('E_UNAUTHORISED') && lab.status === 'waiting');
      await renew({isExpired: false});
    },
  };
}

function only(lab: EtcdLab): EtcdServer {
  const [server] = lab.servers;
  if (server === undefined) throw new Error('the lab has no server');
  return server;
}

async function compact(lab: EtcdLab): Promise<void> {
  await etcdctl(only(lab), ['compact', String(await revisionNow(only(lab)))]);
}

async function leaderOf(lab: EtcdLab): Promise<EtcdServer> {
  for (const server of lab.servers) {
    const fields = await etcdctl(server, ['endpoint', 'status', '-w', 'fields']);
    const [, member] = /^"MemberID" : (\d+)$/m.exec(fields) ?? [];
    if (member !== undefined && fields.includes(`"Leader" : ${member}`)) return server;
  }
  throw new Error('no member is the leader');
}

/** What differs between the watcher's map and etcd's content. */
function differences(lab: EtcdLab, expected: Awaited<ReturnType<typeof readAll>>): string[] {
  const texts: string[] = [];
  for (const [key, {value, revision}] of expected) {
    const seen = lab.content.get(key);
    if (seen?.value !== value || seen.revision !== revision) {
      texts.push(`${key}: ${seen?.value} at ${seen?.revision}, not ${value} at ${revision}`);
    }
  }
  for (const key of lab.content.keys()) if (!expected.has(key)) texts.push(`${key}: is gone`);
  return texts;
}

t.setTimeout(280_000);
const wanted = process.env.TEST_FAULT;
for (const [name, fault] of Object.entries(FAULTS)) {
  if (wanted !== undefined && !name.includes(wanted)) continue;
  await t.test(name, async (t) => {
    const lab = await EtcdLab.start(t, await fault.prepare?.(t));
    const sinceMs = performance.now();
    let isOn = true;
    const writing = lab.writeNumbers(fault.writes, () => isOn);
    await lab.until(() => lab.written >= 20);
    const isListed = await lab.listAcross(async () => fault.strike(lab));
    if (fault.listsAnyway) t.ok(isListed, 'the listing succeeds nevertheless');
    await fault.heal?.(lab);
    isOn = false;
    await writing;
    const seconds = ((performance.now() - sinceMs) / 1000).toFixed(1);
    t.comment(`${lab.written} writes in ${seconds} s; writers met ${[...lab.codes.writer].join(' ') || 'no error'}`);
    for (const code of fault.expected ?? []) t.ok(lab.codes.writer.has(code), `writers met ${code}`);
    const expected = await readAll(only(lab), FOLDER, {tls: lab.clientTls});
    t.ok(expected.size >= 2000);
    await lab.untilOrFor(20_000, () => differences(lab, expected).length === 0);
    t.same(differences(lab, expected), [], 'the map of the watcher is what etcdctl reads');
    t.equal(lab.resyncs, fault.losesHistory ? 2 : 1, 'the watcher lists when history is lost, and not otherwise');
    t.same(lab.steps, [], 'revisions of a key only rise');
    t.ok(lab.overrunMs < OVERRUN_MS, `a call ended ${lab.overrunMs} ms after its deadline`);
  });
}
