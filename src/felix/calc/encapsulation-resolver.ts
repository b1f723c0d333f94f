/**
 * Which encapsulations the pools ask for. A disabled pool counts: its workloads keep their addresses and their network.
 */
import type {PoolInput} from './inputs.ts';
import type {EncapsulationIntent} from './intent.ts';

export class EncapsulationResolver {
  readonly #pools = new Map<string, PoolInput>();

  setPool(name: string, pool: PoolInput | undefined): void {
    if (pool === undefined) this.#pools.delete(name);
    else this.#pools.set(name, pool);
  }

  /** There are few pools: looking at all of them is cheaper than keeping count. */
  get encapsulation(): EncapsulationIntent {
    const pools = [...this.#pools.values()];
    const wants = (encapsulation: string, family: number) =>
      pools.some((pool) => pool.encapsulation === encapsulation && pool.cidr.ip.family === family);
    return {ipip: wants('ipip', 4), vxlan: wants('vxlan', 4), vxlanV6: wants('vxlan', 6)};
  }
}
