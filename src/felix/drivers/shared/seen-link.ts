/** A link of the kernel -> what the data plane knows of it: every link as a host link, ours also as a tunnel entry. */
import type {Link} from '../../../netlink/link.ts';
import type {LinkEntry} from '../../dataplane/entries.ts';
import type {HostLink} from '../../dataplane/host-links.ts';

export const hostLink = ({index, mtu, name, up}: Link): HostLink => ({index, mtu, name, isUp: up});

/** A link that has the name of one of our tunnel devices. */
export function seenTunnel(link: Link, nameOf: (index: number) => string | undefined): LinkEntry {
  const {info, mac, mtu, name, up} = link;
  if (info.kind !== 'vxlan')
    return {name, vni: 0, port: 0, mac: mac ?? '', parent: '', local: '', mtu, isUp: up, flaw: 'not a VXLAN device'};
  const parent = info.parentIndex === undefined ? undefined : nameOf(info.parentIndex);
  return {
    name,
    vni: info.id,
    port: info.port,
    mac: mac ?? '',
    parent: parent ?? '',
    local: info.local ?? '',
    mtu,
    isUp: up,
    flaw: flawOf(info),
  };
}

function flawOf(info: Extract<Link['info'], {kind: 'vxlan'}>): string | undefined {
  if (info.flowBased) return 'tunnel parameters come with each packet';
  if (info.group !== undefined) return 'it floods to a group';
  if (info.learning) return 'it learns from packets';
  if (info.l2miss || info.l3miss) return 'it asks for missing entries';
  if (info.gbp) return 'it carries a group policy';
  return undefined;
}
