/**
 * An in-memory kernel behind the addon's interface: it reads and answers real netlink messages, so everything from the
 * codecs up is the product's own code. For pure tests and for what a real kernel does only under load or never.
 *
 *   kernel.tables             what "somebody else" changes, and what a test looks at
 *   kernel.refuse(...)        the next messages of a type are refused
 *   kernel.loseAnswers(n)     the next n requests are carried out, and their answers lost
 *   kernel.netlinkWrites      messages that could have changed something; sysctlWrites likewise
 */
import {constants} from 'node:os';
import type {Addon, NetlinkReply, NetlinkSocket, SysctlWrite} from '../../../src/native/addon.ts';
import {afOf, familyOfText} from '../../../src/netlink/address-family.ts';
import {decodeAddress, writeAddressReplace} from '../../../src/netlink/addresses.ts';
import {AF, IFF, IFLA, IFLA_INFO, NDA, NLM_F, NLMSG, NTF, NUD, RTM} from '../../../src/netlink/constants.ts';
import {decodeFdbEntry} from '../../../src/netlink/fdb.ts';
import {decodeLink, type Link} from '../../../src/netlink/link.ts';
import {writeIfinfomsg, writeLinkAttributes} from '../../../src/netlink/link-attributes.ts';
import {writeLinkInfo} from '../../../src/netlink/link-kinds/link-kinds.ts';
import {MessageCursor} from '../../../src/netlink/message-reader.ts';
import {MessageWriter} from '../../../src/netlink/message-writer.ts';
import {decodeNeighbour, writeNdmsg} from '../../../src/netlink/neighbours.ts';
import {decodeRoute, writeRouteReplace} from '../../../src/netlink/route.ts';
import {type Change, type FakeFdbEntry, type FakeLink, type FakeNeighbour, FakeTables, Refusal} from './tables.ts';

const {ENOENT, EPERM} = constants.errno;

interface OrderedRefusal {
  readonly type: number;
  readonly errno: number;
  /** Messages of the type that pass before. */
  skip: number;
  count: number;
}

export class FakeKernel implements Pick<Addon, 'openNetlink' | 'readSysctls' | 'writeSysctls'> {
  readonly tables: FakeTables;
  netlinkWrites = 0;
  sysctlWrites = 0;
  readonly #listeners = new Set<(data: Uint8Array, lost: boolean) => void>();
  readonly #refusals: OrderedRefusal[] = [];
  #lostAnswers = 0;
  #sysctlsReadOnly = false;
  /** Changes are told to nobody: the listeners' buffers are full. */
  isSilent = false;

  constructor() {
    this.tables = new FakeTables((change) => this.#announce(change));
  }

  /** Messages of this type are refused with `errno`: `count` of them, after `skip` that pass. */
  refuse(type: number, errno: number, {skip = 0, count = 1}: {skip?: number; count?: number} = {}): void {
    this.#refusals.push({type, errno, skip, count});
  }

  clearRefusals(): void {
    this.#refusals.length = 0;
  }

  loseAnswers(count: number): void {
    this.#lostAnswers = count;
  }

  set sysctlsReadOnly(value: boolean) {
    this.#sysctlsReadOnly = value;
  }

  /** The kernel dropped events. */
  loseEvents(): void {
    for (const listener of this.#listeners) queueMicrotask(() => listener(new Uint8Array(), true));
  }

  /** Functions of their own, not methods: the addon's are used like that. */
  readonly openNetlink = (): NetlinkSocket => {
    let listener: ((data: Uint8Array, lost: boolean) => void) | undefined;
    return {
      portId: 1,
      transact: (batch) => this.#transact(batch),
      transactAsync: async (batch) => {
        const copy = Uint8Array.from(batch);
        await new Promise((resolve) => setImmediate(resolve));
        return this.#transact(copy);
      },
      listen: (callback) => {
        listener = callback;
        this.#listeners.add(callback);
      },
      close: () => {
        if (listener !== undefined) this.#listeners.delete(listener);
      },
    };
  };

  readonly readSysctls = (_netnsFd: number | undefined, paths: readonly string[]): (string | number)[] =>
    paths.map((path) => this.tables.sysctls.get(path) ?? -ENOENT);

  readonly writeSysctls = (_netnsFd: number | undefined, writes: readonly SysctlWrite[]): number[] =>
    writes.map(({path, value}) => {
      if (this.#sysctlsReadOnly) return -EPERM;
      try {
        this.tables.writeSysctl(path, value);
        this.sysctlWrites++;
        return 0;
      } catch (error) {
        if (error instanceof Refusal) return -error.errno;
        throw error;
      }
    });

  #transact(batch: Uint8Array): NetlinkReply {
    const replies: Uint8Array[] = [];
    const message = new MessageCursor(batch);
    while (message.next()) {
      const {flags, sequence, type} = message;
      if (type % 4 !== 2) this.netlinkWrites++;
      let errno = this.#orderedRefusal(type);
      let answers: Uint8Array[] = [];
      if (errno === 0)
        try {
          answers = this.#handle(message);
        } catch (error) {
          if (!(error instanceof Refusal)) throw error;
          errno = error.errno;
        }
      for (const answer of answers) replies.push(withHeader(answer, undefined, sequence));
      if (errno === 0 && (flags & NLM_F.DUMP) === NLM_F.DUMP && type % 4 === 2) replies.push(done(sequence));
      else if (errno !== 0 || (flags & NLM_F.ACK) !== 0) replies.push(acknowledgement(errno, sequence));
    }
    if (this.#lostAnswers > 0) {
      this.#lostAnswers--;
      return {data: new Uint8Array(), overrun: true};
    }
    return {data: concat(replies), overrun: false};
  }

  #orderedRefusal(type: number): number {
    const refusal = this.#refusals.find((one) => one.type === type && one.count > 0);
    if (refusal === undefined) return 0;
    if (refusal.skip > 0) {
      refusal.skip--;
      return 0;
    }
    refusal.count--;
    return refusal.errno;
  }

  #handle(message: MessageCursor): Uint8Array[] {
    const {tables} = this;
    const {flags, type} = message;
    switch (type) {
      case RTM.GETLINK: {
        if ((flags & NLM_F.DUMP) === NLM_F.DUMP) return [...tables.links.values()].map(encodeLink);
        const {index, name} = need(decodeLink(message));
        return [encodeLink(tables.requireLink({index, name}))];
      }
      case RTM.NEWLINK:
        this.#newLink(message, need(decodeLink(message)));
        return [];
      case RTM.DELLINK: {
        const {group, index, name} = need(decodeLink(message));
        const links = index === 0 && name === '' ? tables.inGroup(group) : [tables.requireLink({index, name})];
        for (const link of links) tables.deleteLink(link.index);
        return [];
      }
      case RTM.SETLINK: {
        const {group, name} = need(decodeLink(message));
        tables.changeLink(tables.requireLink({name}).index, {group});
        return [];
      }
      case RTM.GETADDR: {
        const index = message.view.getUint32(message.bodyStart + 4, true);
        const af = message.bytes[message.bodyStart];
        return [...tables.addresses.values()]
          .filter((address) => (index === 0 || address.index === index) && (af === 0 || afOf(address.family) === af))
          .map((address) => encode((writer) => writeAddressReplace(writer, address)));
      }
      case RTM.NEWADDR:
      case RTM.DELADDR: {
        const {family, index, ip, prefixLength} = need(decodeAddress(message));
        const address = {family, index, ip, prefixLength};
        if (type === RTM.DELADDR) tables.deleteAddress(address);
        else tables.putAddress(address, (flags & NLM_F.REPLACE) !== 0);
        return [];
      }
      case RTM.GETROUTE: {
        const {family, table} = need(decodeRoute(message));
        return [...tables.routes.values()]
          .filter((route) => route.family === family && (table === 0 || route.table === table))
          .map((route) => encode((writer) => writeRouteReplace(writer, route)));
      }
      case RTM.NEWROUTE:
        tables.putRoute(need(decodeRoute(message)), (flags & NLM_F.EXCL) !== 0);
        return [];
      case RTM.DELROUTE:
        tables.deleteRoute(need(decodeRoute(message)));
        return [];
      case RTM.GETNEIGH:
        return this.#neighbours(message);
      case RTM.NEWNEIGH:
      case RTM.DELNEIGH:
        this.#changeNeighbour(message, type === RTM.DELNEIGH);
        return [];
      default:
        throw new Error(`the fake kernel does not know message ${type}`);
    }
  }

  #newLink(message: MessageCursor, link: Link): void {
    const {tables} = this;
    // ifi_change says whether ifi_flags are meant.
    const change = message.view.getUint32(message.bodyStart + 12, true);
    const up = (change & IFF.UP) === 0 ? undefined : link.up;
    if ((message.flags & NLM_F.CREATE) === 0) {
      const {index} = tables.requireLink(link);
      tables.changeLink(index, {
        ...(up === undefined ? {} : {up}),
        ...(link.mtu === 0 ? {} : {mtu: link.mtu}),
        ...(link.mac === undefined ? {} : {mac: link.mac}),
      });
      return;
    }
    const {info} = link;
    tables.createLink({
      name: link.name,
      mac: link.mac ?? '02:00:00:00:00:01',
      mtu: link.mtu || 1500,
      up: up ?? false,
      type: info.kind === 'other' ? info.type : info.kind,
      vxlan: info.kind === 'vxlan' ? info : undefined,
      group: 0,
    });
  }

  #neighbours(message: MessageCursor): Uint8Array[] {
    const af = message.bytes[message.bodyStart];
    const index = message.view.getUint32(message.bodyStart + 4, true);
    if (af === AF.BRIDGE)
      return [...this.tables.fdb.values()].filter((entry) => index === 0 || entry.index === index).map(encodeFdb);
    return [...this.tables.neighbours.values()].filter(({family}) => afOf(family) === af).map(encodeNeighbour);
  }

  #changeNeighbour(message: MessageCursor, gone: boolean): void {
    const {tables} = this;
    if (message.bytes[message.bodyStart] === AF.BRIDGE) {
      const {dst, index, mac, permanent} = need(decodeFdbEntry(message));
      if (gone) tables.deleteFdb({index, mac});
      else tables.putFdb({index, mac, dst, permanent});
      return;
    }
    const {family, index, ip, mac, state} = need(decodeNeighbour(message));
    if (gone) tables.deleteNeighbour({index, ip});
    else tables.putNeighbour({family, index, ip, mac: mac ?? '', permanent: state === 'permanent'});
  }

  /** Listeners hear of it later, as from a socket. */
  #announce(change: Change): void {
    if (this.isSilent) return;
    const data = encodeChange(change);
    for (const listener of this.#listeners)
      setImmediate(() => {
        if (this.#listeners.has(listener)) listener(data, false);
      });
  }
}

function encodeChange(change: Change): Uint8Array {
  const {gone} = change;
  switch (change.kind) {
    case 'link':
      return withHeader(encodeLink(change.link), gone ? RTM.DELLINK : RTM.NEWLINK, 0);
    case 'address': {
      const bytes = encode((writer) => writeAddressReplace(writer, change.address));
      return withHeader(bytes, gone ? RTM.DELADDR : RTM.NEWADDR, 0);
    }
    case 'route': {
      const bytes = encode((writer) => writeRouteReplace(writer, change.route));
      return withHeader(bytes, gone ? RTM.DELROUTE : RTM.NEWROUTE, 0);
    }
    case 'neighbour':
      return withHeader(encodeNeighbour(change.neighbour), gone ? RTM.DELNEIGH : RTM.NEWNEIGH, 0);
    case 'fdb':
      return withHeader(encodeFdb(change.entry), gone ? RTM.DELNEIGH : RTM.NEWNEIGH, 0);
  }
}

function encodeLink(link: FakeLink): Uint8Array {
  return encode((writer) => {
    writer.begin(RTM.NEWLINK, 0);
    writeIfinfomsg(writer, link.index, {up: link.up});
    writeLinkAttributes(writer, {name: link.name, mtu: link.mtu, mac: link.mac});
    if (link.type !== '') {
      const info = writer.openNested(IFLA.LINKINFO);
      writer.attributeText(IFLA_INFO.KIND, link.type);
      if (link.vxlan !== undefined) {
        const data = writer.openNested(IFLA_INFO.DATA);
        writeLinkInfo(writer, {kind: 'vxlan', ...link.vxlan});
        writer.closeNested(data);
      }
      writer.closeNested(info);
    }
    writer.end();
  });
}

function encodeNeighbour({index, ip, mac, permanent}: FakeNeighbour): Uint8Array {
  return encode((writer) => {
    writer.begin(RTM.NEWNEIGH, 0);
    writeNdmsg(writer, afOf(familyOfText(ip)), index, permanent ? NUD.PERMANENT : NUD.REACHABLE, 0);
    writer.attributeIp(NDA.DST, ip);
    if (mac !== '') writer.attributeMac(NDA.LLADDR, mac);
    writer.end();
  });
}

function encodeFdb({dst, index, mac, permanent}: FakeFdbEntry): Uint8Array {
  return encode((writer) => {
    writer.begin(RTM.NEWNEIGH, 0);
    writeNdmsg(writer, AF.BRIDGE, index, permanent ? NUD.PERMANENT : NUD.REACHABLE, NTF.SELF);
    writer.attributeMac(NDA.LLADDR, mac);
    if (dst !== undefined) writer.attributeIp(NDA.DST, dst);
    writer.end();
  });
}

function encode(write: (writer: MessageWriter) => void): Uint8Array {
  const writer = new MessageWriter();
  writer.reset(0);
  write(writer);
  return Uint8Array.from(writer.finish());
}

/** Flags of a request mean something else in an answer: they are cleared. */
function withHeader(bytes: Uint8Array, type: number | undefined, sequence: number): Uint8Array {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (type !== undefined) view.setUint16(4, type, true);
  view.setUint16(6, 0, true);
  view.setUint32(8, sequence, true);
  return bytes;
}

function bare(type: number, sequence: number, value: number, echo: number): Uint8Array {
  const bytes = new Uint8Array(20 + echo);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, bytes.length, true);
  view.setUint16(4, type, true);
  view.setUint16(6, echo > 0 ? NLM_F.CAPPED : NLM_F.MULTI, true);
  view.setUint32(8, sequence, true);
  view.setInt32(16, value, true);
  return bytes;
}

const done = (sequence: number): Uint8Array => bare(NLMSG.DONE, sequence, 0, 0);
const acknowledgement = (errno: number, sequence: number): Uint8Array => bare(NLMSG.ERROR, sequence, -errno, 16);

function concat(parts: readonly Uint8Array[]): Uint8Array {
  const bytes = new Uint8Array(parts.reduce((sum, part) => sum + ((part.length + 3) & ~3), 0));
  let at = 0;
  for (const part of parts) {
    bytes.set(part, at);
    at += (part.length + 3) & ~3;
  }
  return bytes;
}

function need<T>(value: T | undefined): T {
  if (value === undefined) throw new Error('the fake kernel cannot read this message');
  return value;
}
