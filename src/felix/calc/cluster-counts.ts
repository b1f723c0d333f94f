/**
 * How many objects of each kind the cluster has, for metrics. Counted by key, valid or not, without reading the values:
 * with a hundred thousand endpoints only those of this node are worth decoding.
 */
import type {ParsedKey} from '../../model/keys.ts';

export type CountedKind = 'host' | 'workload-endpoint' | 'host-endpoint' | 'tier' | 'policy' | 'profile';

const KINDS: ReadonlyMap<string, CountedKind> = new Map([
  ['nodes', 'host'],
  ['workloadendpoints', 'workload-endpoint'],
  ['hostendpoints', 'host-endpoint'],
  ['tiers', 'tier'],
  ['networkpolicies', 'policy'],
  ['globalnetworkpolicies', 'policy'],
  ['profiles', 'profile'],
]);

export class ClusterCounts {
  readonly #keys: Readonly<Record<CountedKind, Set<string>>> = {
    host: new Set(),
    'workload-endpoint': new Set(),
    'host-endpoint': new Set(),
    tier: new Set(),
    policy: new Set(),
    profile: new Set(),
  };

  /** `key` is there, or gone. */
  note(key: string, parsed: ParsedKey, present: boolean): void {
    const kind = parsed.kind === 'resource' ? KINDS.get(parsed.plural) : undefined;
    if (kind === undefined) return;
    if (present) this.#keys[kind].add(key);
    else this.#keys[kind].delete(key);
  }

  all(): Readonly<Record<CountedKind, number>> {
    return {
      host: this.#keys.host.size,
      'workload-endpoint': this.#keys['workload-endpoint'].size,
      'host-endpoint': this.#keys['host-endpoint'].size,
      tier: this.#keys.tier.size,
      policy: this.#keys.policy.size,
      profile: this.#keys.profile.size,
    };
  }
}
