/**
 * The kinds of link we make and understand. A kind is one file of this folder and one line in each list here; links of
 * other kinds are shown by the kernel's name.
 */

import type {AttributeCursor} from '../message-reader.ts';
import type {MessageWriter} from '../message-writer.ts';
import {type VethInfo, type VethSpec, veth} from './veth.ts';
import {type VxlanInfo, type VxlanSpec, vxlan} from './vxlan.ts';

export type LinkInfo = VethInfo | VxlanInfo | OtherInfo;
export type LinkKindSpec = VethSpec | VxlanSpec;

/** A link of a kind without a file here, or without a kind: `type` is the kernel's name, '' for physical links. */
export interface OtherInfo {
  readonly kind: 'other';
  readonly type: string;
}

const DECODERS: ReadonlyMap<string, {decode(data: AttributeCursor | undefined): LinkInfo}> = new Map(
  [veth, vxlan].map((kind) => [kind.name, kind]),
);

export function decodeLinkInfo(type: string, data: AttributeCursor | undefined): LinkInfo {
  return DECODERS.get(type)?.decode(data) ?? {kind: 'other', type};
}

export function writeLinkInfo(writer: MessageWriter, spec: LinkKindSpec): void {
  switch (spec.kind) {
    case 'veth':
      veth.encode(writer, spec);
      break;
    case 'vxlan':
      vxlan.encode(writer, spec);
      break;
  }
}
