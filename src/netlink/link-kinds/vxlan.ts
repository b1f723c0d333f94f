/**
 * VXLAN: Ethernet frames in UDP. What a link of this kind carries cannot be changed later (except by deleting it), so
 * everything that decides whether an existing one fits is decoded.
 *
 * The kernel's default port is 8472, not the registered 4789, and it learns by default: both are always written.
 */

import {familyOfText} from '../address-family.ts';
import {IFLA_VXLAN} from '../constants.ts';
import type {LinkKind} from './link-kind.ts';

export interface VxlanInfo {
  readonly kind: 'vxlan';
  /** VNI, 24 bits; 0 for a flow-based link. */
  readonly id: number;
  /** Source address of the outer packets, of either family. */
  readonly local: string | undefined;
  /** Multicast group or default remote. */
  readonly group: string | undefined;
  /** Index of the link underneath. */
  readonly parentIndex: number | undefined;
  /** UDP destination port. */
  readonly port: number;
  readonly learning: boolean;
  readonly l2miss: boolean;
  readonly l3miss: boolean;
  /** Group policy extension. */
  readonly gbp: boolean;
  /** Tunnel parameters come with each packet ("external", collect metadata). */
  readonly flowBased: boolean;
}

export interface VxlanSpec {
  readonly kind: 'vxlan';
  readonly id: number;
  readonly local?: string | undefined;
  readonly parentIndex?: number | undefined;
  readonly port: number;
  readonly learning: boolean;
  readonly flowBased?: boolean | undefined;
}

export const vxlan: LinkKind<'vxlan', VxlanInfo, VxlanSpec> = {
  name: 'vxlan',

  decode(data) {
    let id = 0;
    let local: string | undefined;
    let group: string | undefined;
    let parentIndex: number | undefined;
    let port = 0;
    let learning = false;
    let l2miss = false;
    let l3miss = false;
    let gbp = false;
    let flowBased = false;
    while (data?.next()) {
      switch (data.type) {
        case IFLA_VXLAN.ID:
          id = data.u32();
          break;
        case IFLA_VXLAN.LOCAL:
        case IFLA_VXLAN.LOCAL6:
          local = data.ip();
          break;
        case IFLA_VXLAN.GROUP:
        case IFLA_VXLAN.GROUP6:
          group = data.ip();
          break;
        case IFLA_VXLAN.LINK:
          parentIndex = data.u32();
          break;
        case IFLA_VXLAN.PORT:
          port = data.u16Big();
          break;
        case IFLA_VXLAN.LEARNING:
          learning = data.u8() !== 0;
          break;
        case IFLA_VXLAN.L2MISS:
          l2miss = data.u8() !== 0;
          break;
        case IFLA_VXLAN.L3MISS:
          l3miss = data.u8() !== 0;
          break;
        // A flag: there or not.
        case IFLA_VXLAN.GBP:
          gbp = true;
          break;
        case IFLA_VXLAN.COLLECT_METADATA:
          flowBased = data.u8() !== 0;
          break;
      }
    }
    return {kind: 'vxlan', id, local, group, parentIndex, port, learning, l2miss, l3miss, gbp, flowBased};
  },

  encode(writer, {id, local, parentIndex, port, learning, flowBased}) {
    writer.attributeU32(IFLA_VXLAN.ID, id);
    if (local !== undefined)
      writer.attributeIp(familyOfText(local) === 6 ? IFLA_VXLAN.LOCAL6 : IFLA_VXLAN.LOCAL, local);
    if (parentIndex !== undefined) writer.attributeU32(IFLA_VXLAN.LINK, parentIndex);
    writer.attributeU16Big(IFLA_VXLAN.PORT, port);
    writer.attributeU8(IFLA_VXLAN.LEARNING, learning ? 1 : 0);
    if (flowBased === true) writer.attributeU8(IFLA_VXLAN.COLLECT_METADATA, 1);
  },
};
