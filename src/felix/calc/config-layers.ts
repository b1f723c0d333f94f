/**
 * The parameters that the datastore sets for this node, as three layers of raw values. What they mean, and which layer
 * wins, is the matter of the configuration (felix/config).
 *
 * Of the FelixConfigurations with a selector that matches our Node's labels the oldest counts (then the first name), and
 * only that one.
 */
import {type Family, formatIp} from '../../lib/cidr.ts';
import {compareText} from './claims.ts';
import type {ClusterInformationInput, FelixConfigurationInput, NodeInput} from './inputs.ts';
import type {DatastoreConfigLayer} from './intent.ts';

export type RawValues = ReadonlyMap<string, string>;

const NONE: RawValues = new Map();
const LAYERS: readonly DatastoreConfigLayer[] = ['global', 'selector', 'node'];

export class ConfigLayers {
  readonly #nodeName: string;
  readonly #emit: (layer: DatastoreConfigLayer, values: RawValues) => void;
  readonly #configurations = new Map<string, FelixConfigurationInput>();
  #cluster: RawValues = NONE;
  #node: NodeInput | undefined;
  /** Layers to work out again; all of them at first, so that each is sent once even when it is empty. */
  readonly #stale = new Set(LAYERS);

  constructor(
    options: {nodeName: string},
    dependencies: {emit: (layer: DatastoreConfigLayer, values: RawValues) => void},
  ) {
    this.#nodeName = options.nodeName;
    this.#emit = dependencies.emit;
  }

  setFelixConfiguration(name: string, configuration: FelixConfigurationInput | undefined): void {
    const layer = this.#layerOf(name);
    if (layer === undefined) return;
    if (configuration === undefined) this.#configurations.delete(name);
    else this.#configurations.set(name, configuration);
    this.#stale.add(layer);
  }

  setClusterInformation(cluster: ClusterInformationInput | undefined): void {
    this.#cluster = cluster?.values ?? NONE;
    this.#stale.add('global');
  }

  /** Our own Node. */
  setNode(node: NodeInput | undefined): void {
    this.#node = node;
    this.#stale.add('selector');
    this.#stale.add('node');
  }

  /** Emits the layers that may have changed. */
  resolve(): void {
    for (const layer of this.#stale) this.#emit(layer, this.#valuesOf(layer));
    this.#stale.clear();
  }

  #layerOf(name: string): DatastoreConfigLayer | undefined {
    if (name === 'default') return 'global';
    if (!name.startsWith('node.')) return 'selector';
    return name === `node.${this.#nodeName}` ? 'node' : undefined;
  }

  #valuesOf(layer: DatastoreConfigLayer): RawValues {
    switch (layer) {
      case 'global':
        return merge(this.#configurations.get('default')?.values ?? NONE, this.#cluster);
      case 'selector':
        return this.#selected()?.values ?? NONE;
      case 'node':
        return merge(nodeParameters(this.#node), this.#configurations.get(`node.${this.#nodeName}`)?.values ?? NONE);
      default:
        return layer satisfies never;
    }
  }

  #selected(): FelixConfigurationInput | undefined {
    const labels = this.#node?.labels ?? NONE;
    const candidates = [...this.#configurations].filter(
      ([name, configuration]) => this.#layerOf(name) === 'selector' && configuration.selects?.(labels) === true,
    );
    const [oldest] = candidates.toSorted(
      ([nameA, a], [nameB, b]) => compareText(a.creationTimestamp, b.creationTimestamp) || compareText(nameA, nameB),
    );
    return oldest?.[1];
  }
}

const merge = (lower: RawValues, higher: RawValues): RawValues => new Map([...lower, ...higher]);

/** What our Node says in the form of parameters. */
function nodeParameters(node: NodeInput | undefined): RawValues {
  const values = new Map<string, string>();
  const set = (name: string, value: string | undefined) => {
    if (value !== undefined) values.set(name, value);
  };
  const tunnel = (family: Family, kind: 'vxlan' | 'ipip') => {
    const ip = node?.families[family].tunnels.get(kind);
    return ip && formatIp(ip);
  };
  set('IPv4VXLANTunnelAddr', tunnel(4, 'vxlan'));
  set('IPv6VXLANTunnelAddr', tunnel(6, 'vxlan'));
  set('IpInIpTunnelAddr', tunnel(4, 'ipip'));
  set('VXLANTunnelMACAddr', node?.families[4].vxlanMac);
  set('VXLANTunnelMACAddrV6', node?.families[6].vxlanMac);
  return values;
}
