/**
 * 10,000 routes to blocks of other nodes, added and read back: by C with 1024 messages a send, by `ip`, by our sockets,
 * and by the driver that the agent uses (which also looks its links up and works out what is ours).
 *
 * Ours runs in this process, warm, as in an agent; process start counts for `ip` only, which has no other way.
 */
import {rmSync, writeFileSync} from 'node:fs';
import {tmpdir} from 'node:os';
import {join} from 'node:path';
import {type RouteEntry, type RouteKey, routeKey} from '../src/felix/dataplane/entries.ts';
import {RouteDriver} from '../src/felix/drivers/routes/route-driver.ts';
import type {Ownership} from '../src/felix/drivers/shared/ownership.ts';
import {systemClock} from '../src/lib/clock.ts';
import type {Changes} from '../src/lib/driver.ts';
import type {RouteSpec} from '../src/netlink/route.ts';
import {RouteSocket} from '../src/netlink/route-socket.ts';
import {addRoutes, dumpRoutes} from '../src/netlink/routes.ts';
import type {BenchOptions} from './measure/bench.ts';
import {interleave} from './measure/interleave.ts';
import {compare, type Report} from './measure/row.ts';
import {timeMs} from './measure/stopwatch.ts';
import {type BenchNamespace, makeNamespace} from './support/namespace.ts';
import {floor, timesMs} from './support/programs.ts';

const COUNT = 10_000;
const LINK = 'wire0';
const GATEWAY = '10.95.0.2';
const PROTOCOL = 80;

const destinations = Array.from({length: COUNT}, (_, number) => {
  const address = (10 << 24) + (128 << 16) + number * 64;
  return `${[24, 16, 8, 0].map((shift) => (address >>> shift) & 255).join('.')}/26`;
});

export async function benchRoutes({rounds, progress}: BenchOptions): Promise<Report> {
  await using namespace = await makeNamespace();
  using socket = new RouteSocket({netnsFd: namespace.fd});
  const batchFile = join(tmpdir(), `${namespace.name}.batch`);
  writeFileSync(batchFile, destinations.map(batchLine).join('\n'));
  try {
    const contest = new RouteContest(namespace, socket, await linkIndex(namespace));
    progress(`${COUNT} routes added`);
    const added = await interleave(
      {
        floor: () => contest.adding(() => contest.inC('add')),
        peer: () => contest.adding(() => contest.byIp(['-batch', batchFile])),
        socket: () => contest.adding(() => contest.bySocket()),
        driver: () => contest.adding(() => contest.byDriver()),
      },
      {rounds, warmUpRounds: 2},
    );
    await contest.inC('add');
    progress(`${COUNT} routes read back`);
    const dumped = await interleave(
      {
        floor: () => contest.inC('dump'),
        peer: () => contest.byIp(['-4', 'route', 'show']),
        socket: () => contest.dumpedBySocket(),
        driver: () => contest.listedByDriver(),
      },
      {rounds, warmUpRounds: 2},
    );
    const columns = (contest: typeof added) =>
      ({unit: 'ms', peer: contest.peer.ms, floor: contest.floor.ms, to: 'floor'}) as const;
    return {
      name: 'routes',
      notes: [
        `${COUNT} IPv4 routes; peer: ip -batch / ip route (with its process start), floor: C, 1024 messages a send / a walk`,
        `${rounds} rounds`,
      ],
      rows: [
        compare({
          ...columns(added),
          what: 'added by a RouteSocket',
          ours: added.socket.ms,
          goal: {number: 8, limit: 1.3},
        }),
        compare({
          ...columns(added),
          what: 'added by the route driver',
          ours: added.driver.ms,
          goal: {number: 8, limit: 1.3},
        }),
        compare({...columns(dumped), what: 'dumped and decoded', ours: dumped.socket.ms, goal: {number: 8, limit: 4}}),
        compare({...columns(dumped), what: 'listed by the route driver', ours: dumped.driver.ms}),
      ],
    };
  } finally {
    rmSync(batchFile, {force: true});
  }
}

const batchLine = (destination: string): string =>
  `route add ${destination} via ${GATEWAY} dev ${LINK} onlink proto ${PROTOCOL}`;

async function linkIndex(namespace: BenchNamespace): Promise<number> {
  return Number((await namespace.ip(`-o link show ${LINK}`)).split(':')[0]);
}

type Times = Readonly<Record<'ms', readonly number[]>>;

/** The ways to do it, and what they took. */
class RouteContest {
  readonly #namespace: BenchNamespace;
  readonly #socket: RouteSocket;
  readonly #driver: RouteDriver;
  readonly #specs: readonly RouteSpec[];
  readonly #changes: Changes<RouteKey, RouteEntry>;
  readonly #never = new AbortController().signal;

  constructor(namespace: BenchNamespace, socket: RouteSocket, index: number) {
    this.#namespace = namespace;
    this.#socket = socket;
    const ownership: Ownership = {
      isWorkloadInterface: () => false,
      isClaimed: () => false,
      deviceRouteProtocols: () => new Set([PROTOCOL]),
      hostSettings: () => [],
      removesExternalRoutes: () => false,
      holdsBack: () => false,
    };
    const links = {get: () => ({name: LINK, index, isUp: true, mtu: 1500})};
    this.#driver = new RouteDriver({family: 4}, {clock: systemClock, links, socket, ownership});
    this.#specs = destinations.map((dst) => ({dst, gateway: GATEWAY, oif: index, onlink: true, protocol: PROTOCOL}));
    this.#changes = {writes: new Map(destinations.map((dst) => entryOf(dst))), removals: new Map()};
  }

  /** Adds, then takes the routes away again; only adding counts. */
  async adding(add: () => Promise<Times>): Promise<Times> {
    const times = await add();
    await this.inC('del');
    return times;
  }

  inC(verb: 'add' | 'del' | 'dump'): Promise<Times> {
    return printed([...this.#namespace.enter, floor.routes, verb, LINK, GATEWAY, String(COUNT)]);
  }

  byIp(args: readonly string[]): Promise<Times> {
    return printed([...this.#namespace.enter, floor.stopwatch, 'ip', ...args]);
  }

  bySocket(): Promise<Times> {
    return timed(async () => {
      const outcomes = await addRoutes(this.#socket, this.#specs);
      if (!outcomes.every(({ok}) => ok)) throw new Error('a route was refused');
    });
  }

  byDriver(): Promise<Times> {
    return timed(async () => {
      const failed = await this.#driver.apply(this.#changes, this.#never);
      if (failed.size > 0) throw new Error(`${failed.size} routes were refused`);
    });
  }

  dumpedBySocket(): Promise<Times> {
    return timed(async () => {
      const routes = await dumpRoutes(this.#socket, {family: 4, table: 254});
      if (routes.length < COUNT) throw new Error(`${routes.length} routes`);
    });
  }

  listedByDriver(): Promise<Times> {
    return timed(async () => {
      const size = [...(await this.#driver.list(this.#never))].length;
      if (size !== COUNT) throw new Error(`${size} routes of ours`);
    });
  }
}

function entryOf(destination: string): readonly [RouteKey, RouteEntry] {
  const entry: RouteEntry = {
    family: 4,
    table: 254,
    destination,
    metric: 0,
    type: 'unicast',
    scope: 'global',
    protocol: PROTOCOL,
    link: LINK,
    gateway: GATEWAY,
    isOnlink: true,
  };
  return [routeKey(entry), entry];
}

async function printed(command: readonly string[]): Promise<Times> {
  return {ms: await timesMs(command)};
}

async function timed(work: () => Promise<void>): Promise<Times> {
  return {ms: [await timeMs(work)]};
}
