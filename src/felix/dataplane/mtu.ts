/**
 * How large a packet may be: the host's own MTU, less what each encapsulation adds. A setting other than 0 wins over
 * the arithmetic. Pods get the smallest of what is in use, because one interface serves all destinations.
 */
import type {EncapsulationIntent} from '../calc/intent.ts';

/** Bytes in front of the inner packet: outer IP and UDP headers, VXLAN header, inner Ethernet header. */
const VXLAN_OVERHEAD = 50;
const VXLAN_V6_OVERHEAD = 70;
const IPIP_OVERHEAD = 20;
/** When no link of the host matches the pattern: fits the smallest MTU of the large clouds. */
const FALLBACK_HOST_MTU = 1460;

export interface MtuSettings {
  /** 0: host MTU less the overhead. */
  readonly vxlan: number;
  readonly vxlanV6: number;
  readonly ipip: number;
}

export interface Mtus {
  readonly vxlan: number;
  readonly vxlanV6: number;
  /** What the CNI plugin gives a new pod. */
  readonly pod: number;
}

export function computeMtus(
  hostMtu: number | undefined,
  settings: MtuSettings,
  encapsulation: EncapsulationIntent | undefined,
): Mtus {
  const host = hostMtu ?? FALLBACK_HOST_MTU;
  const vxlan = settings.vxlan || host - VXLAN_OVERHEAD;
  const vxlanV6 = settings.vxlanV6 || host - VXLAN_V6_OVERHEAD;
  const ipip = settings.ipip || host - IPIP_OVERHEAD;
  const used: number[] = [];
  if (encapsulation?.vxlan) used.push(vxlan);
  if (encapsulation?.vxlanV6) used.push(vxlanV6);
  if (encapsulation?.ipip) used.push(ipip);
  return {vxlan, vxlanV6, pod: used.length > 0 ? Math.min(...used) : host};
}
