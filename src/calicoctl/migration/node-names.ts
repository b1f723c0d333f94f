/**
 * Kubernetes calls a node by its own name, which etcd's Node need not have: it is told by a reference to the
 * orchestrator `k8s`. What goes into the Kubernetes datastore is renamed: nodes, what is configured per node, and what
 * nodes own of IPAM. Other references to nodes stay, as in Calico.
 */
import {affinityOf, holderOf} from '../../ipam/holder.ts';
import {isJsonObject, type JsonObject, type JsonValue} from '../../lib/exact-json.ts';
import type {AllocationAttribute, Block, BlockAttributes} from '../../model/ipam-records.ts';
import {TUNNEL_TYPES, tunnelHandleId} from '../../model/names.ts';
import {Failure} from '../failure.ts';
import {valueAt} from '../output/columns.ts';
import {scalarText} from '../scalar-text.ts';

export class NodeNames {
  readonly #names = new Map<string, string>();

  /** Learns the name of a node. Throws a Failure when Kubernetes does not know it. */
  add(node: JsonObject): void {
    const name = scalarText(valueAt(node, 'metadata.name'));
    const references = valueAt(node, 'spec.orchRefs');
    const ofKubernetes = (reference: JsonValue): boolean =>
      isJsonObject(reference) && reference.orchestrator === 'k8s' && scalarText(reference.nodeName) !== '';
    const known = Array.isArray(references) ? references.findLast(ofKubernetes) : undefined;
    if (known === undefined)
      throw new Failure(
        `unable to process metadata for export for Node resource: node ${name} missing a 'k8s' orchestrator reference. Unable to export data unless every node has a 'k8s' orchestrator reference`,
      );
    this.#names.set(name, scalarText(valueAt(known as JsonObject, 'nodeName')));
  }

  /** The name in Kubernetes; that of a node which does not exist stays. */
  of(name: string): string {
    return this.#names.get(name) ?? name;
  }

  /** `node.NAME` of what is configured per node. */
  ofConfiguration(name: string): string {
    return name.startsWith('node.') ? `node.${this.of(name.slice('node.'.length))}` : name;
  }

  /** The handle of a tunnel address names its node. */
  ofHandle(handleId: string): string {
    for (const type of TUNNEL_TYPES) {
      const prefix = tunnelHandleId(type, '');
      if (handleId.startsWith(prefix)) return `${prefix}${this.of(handleId.slice(prefix.length))}`;
    }
    return handleId;
  }

  ofBlock(block: Block): Block {
    return {
      ...block,
      affinity: this.#ofAffinity(block.affinity),
      attributes: block.attributes.map((attribute) => this.#ofAttribute(attribute)),
    };
  }

  #ofAffinity(affinity: string | undefined): string | undefined {
    const holder = holderOf(affinity);
    return holder?.type === 'host' ? affinityOf({type: 'host', host: this.of(holder.host)}) : affinity;
  }

  #ofAttribute(attribute: AllocationAttribute): AllocationAttribute {
    const {handleId, secondary, alternateOwner} = attribute;
    return {
      ...attribute,
      handleId: handleId === undefined ? undefined : this.ofHandle(handleId),
      secondary: this.#ofOwner(secondary),
      alternateOwner: alternateOwner === undefined ? undefined : this.#ofOwner(alternateOwner),
    };
  }

  #ofOwner(owner: BlockAttributes): BlockAttributes {
    const node = owner.get('node');
    return node === undefined ? owner : new Map([...owner, ['node', this.of(node)]]);
  }
}
