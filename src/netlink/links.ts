/**
 * Reading, making, changing and deleting links of one namespace.
 *
 * Deleting is slow: the kernel waits some 20 ms for every link it unregisters, one after the other, also when the
 * requests come in one send. Only a group goes as one: so several links are first put into a group of their own, with
 * a number nobody uses, and that group is deleted in one request. Deleting never runs on the main thread.
 */
import {randomInt} from 'node:crypto';
import {AgentError} from '../lib/errors.ts';
import {ENODEV, type Outcome, requireDone, tolerate} from './kernel-answer.ts';
import {
  decodeLink,
  type Link,
  type LinkRef,
  type LinkSpec,
  writeLinkChange,
  writeLinkCreate,
  writeLinkDelete,
  writeLinkDump,
  writeLinkGet,
  writeLinkGroup,
  writeLinkGroupDelete,
} from './link.ts';
import type {LinkAttributes} from './link-attributes.ts';
import type {VethSpec} from './link-kinds/veth.ts';
import type {VxlanSpec} from './link-kinds/vxlan.ts';
import type {MessageWriter} from './message-writer.ts';
import type {RouteSocket} from './route-socket.ts';

const GET_COST_US = 20;
const CREATE_COST_US = 400;
const CHANGE_COST_US = 60;
/** Setting a link down and moving it to another namespace wait for packets in flight. */
const SLOW_CHANGE_COST_US = 5000;
const DELETE_COST_US = 20_000;

/**
 * While a group goes, the kernel's configuration lock is held: 0.2 ms per link, during which every other request waits,
 * on the main thread too. This many stay below 30 ms.
 */
const MAX_GROUP_SIZE = 128;

const GONE: ReadonlySet<number> = new Set([ENODEV]);

/** All links, or those of one kind ("veth"). */
export function dumpLinks(
  socket: RouteSocket,
  filter: {readonly type?: string} = {},
  signal?: AbortSignal,
): Promise<Link[]> {
  return socket.dump('links', (writer) => writeLinkDump(writer, filter.type), decodeLink, signal);
}

/** One link; undefined when there is none. */
export async function getLink(socket: RouteSocket, ref: LinkRef): Promise<Link | undefined> {
  let link: Link | undefined;
  const [outcome] = await socket.execute([ref], writeLinkGet, {
    costUs: GET_COST_US,
    onReply: (message) => {
      link = decodeLink(message);
    },
  });
  if (outcome !== undefined && !outcome.ok && outcome.errno === ENODEV) return undefined;
  requireDone(outcome, 'read link', {...ref});
  return link;
}

/**
 * Makes a link and resolves to it as the kernel has it. Rejects with E_NETLINK: EEXIST when its name or its peer's is
 * taken. A link whose `netnsFd` puts it elsewhere cannot be shown: use `createLinks`.
 */
export async function createLink(socket: RouteSocket, spec: LinkSpec): Promise<Link> {
  let link: Link | undefined;
  const steps = [
    (writer: MessageWriter) => writeLinkCreate(writer, spec),
    (writer: MessageWriter) => writeLinkGet(writer, {name: spec.name}),
  ];
  const [created, read] = await socket.execute(steps, (writer, step) => step(writer), {
    costUs: CREATE_COST_US,
    onReply: (message) => {
      link = decodeLink(message);
    },
  });
  requireDone(created, 'create link', {name: spec.name, kind: spec.info.kind});
  requireDone(read, 'read the new link', {name: spec.name});
  if (link === undefined) throw new AgentError('E_NETLINK', 'the new link is not shown', {name: spec.name});
  return link;
}

export type VethOptions = LinkAttributes & {readonly name: string; readonly peer: VethSpec['peer']};
export type VxlanOptions = LinkAttributes & {readonly name: string} & Omit<VxlanSpec, 'kind'>;

/** As `createLink`, a veth: both ends in one request, the peer in its own namespace when it has a `netnsFd`. */
export function createVeth(socket: RouteSocket, options: VethOptions): Promise<Link> {
  const {peer, ...attributes} = options;
  return createLink(socket, {...attributes, info: {kind: 'veth', peer}});
}

/** As `createLink`, a VXLAN device. */
export function createVxlan(socket: RouteSocket, options: VxlanOptions): Promise<Link> {
  const {id, local, parentIndex, port, learning, flowBased, ...attributes} = options;
  return createLink(socket, {...attributes, info: {kind: 'vxlan', id, local, parentIndex, port, learning, flowBased}});
}

/** Makes links; one outcome each. */
export function createLinks(
  socket: RouteSocket,
  specs: readonly LinkSpec[],
  signal?: AbortSignal,
): Promise<readonly Outcome[]> {
  return socket.execute(specs, writeLinkCreate, {costUs: CREATE_COST_US, signal});
}

export type LinkChange = LinkAttributes & {readonly index: number};

/** Changes links, each by its index; one outcome each. */
export function changeLinks(
  socket: RouteSocket,
  changes: readonly LinkChange[],
  signal?: AbortSignal,
): Promise<readonly Outcome[]> {
  const slow = changes.some((change) => change.up === false || change.netnsFd !== undefined);
  return socket.execute(changes, writeLinkChange, {costUs: slow ? SLOW_CHANGE_COST_US : CHANGE_COST_US, signal});
}

/** Changes one link, by its index. Rejects with E_NETLINK when the kernel refuses. */
export async function setLink(socket: RouteSocket, index: number, attributes: LinkAttributes): Promise<void> {
  const [outcome] = await changeLinks(socket, [{...attributes, index}]);
  requireDone(outcome, 'change link', {index, ...attributes});
}

/**
 * Deletes links by name, as groups; one outcome each. What is gone already is done. Those who delete one link at a time
 * from many places use a LinkDeleter.
 */
export async function deleteLinks(
  socket: RouteSocket,
  names: readonly string[],
  signal?: AbortSignal,
): Promise<readonly Outcome[]> {
  const outcomes: Outcome[] = [];
  for (let from = 0; from < names.length; from += MAX_GROUP_SIZE) {
    const part = names.slice(from, from + MAX_GROUP_SIZE);
    outcomes.push(
      ...(part.length === 1 ? await deleteEach(socket, part, signal) : await deleteGroup(socket, part, signal)),
    );
  }
  return outcomes;
}

async function deleteEach(
  socket: RouteSocket,
  names: readonly string[],
  signal?: AbortSignal,
): Promise<readonly Outcome[]> {
  const encode = (writer: MessageWriter, name: string) => writeLinkDelete(writer, {name});
  return tolerate(await socket.execute(names, encode, {costUs: DELETE_COST_US, signal}), GONE);
}

async function deleteGroup(
  socket: RouteSocket,
  names: readonly string[],
  signal?: AbortSignal,
): Promise<readonly Outcome[]> {
  const options = {costUs: DELETE_COST_US, signal};
  const group = unusedGroup();
  const encode = (writer: MessageWriter, name: string) => writeLinkGroup(writer, name, group);
  const grouped = await socket.execute(names, encode, options);
  if (!grouped.some((outcome) => outcome.ok)) return tolerate(grouped, GONE);
  const [deleted] = tolerate(await socket.execute([group], writeLinkGroupDelete, options), GONE);
  // One link that cannot be deleted makes the kernel refuse its whole group: then each on its own.
  return deleted?.ok === true ? tolerate(grouped, GONE) : deleteEach(socket, names, signal);
}

/**
 * People give groups small numbers by hand; the upper half of the positive range is practically empty, and a random
 * number of it keeps two agents apart.
 */
const unusedGroup = (): number => randomInt(0x4000_0000, 0x7fff_ffff);
