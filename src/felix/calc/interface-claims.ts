/**
 * The workloads of this node, one per interface name.
 *
 * Two endpoints that name one interface cannot both be right (a left-over of an old sandbox, a hand-written object): the
 * lowest id has the interface, the others are shadowed as if they did not exist, and the next is promoted when it goes.
 */
import {Claims, compareText} from './claims.ts';
import type {EndpointId, WorkloadEndpointIntent} from './intent.ts';

export interface EndpointSink {
  emitEndpoint(id: EndpointId, endpoint: WorkloadEndpointIntent | undefined): void;
  /** `id` is from now on not in force, because `winner` has its interface. */
  onShadowed(id: EndpointId, winner: EndpointId, interfaceName: string): void;
}

export class InterfaceClaims {
  readonly #sink: EndpointSink;
  readonly #endpoints = new Map<EndpointId, WorkloadEndpointIntent>();
  readonly #interfaces = new Claims<string, EndpointId>(compareIds);
  /** By endpoint: who has its interface. */
  readonly #shadowed = new Map<EndpointId, EndpointId>();

  constructor(dependencies: {sink: EndpointSink}) {
    this.#sink = dependencies.sink;
  }

  /** Endpoints of this node, shadowed ones included. */
  get size(): number {
    return this.#endpoints.size;
  }

  setEndpoint(id: EndpointId, endpoint: WorkloadEndpointIntent | undefined): void {
    const old = this.#endpoints.get(id);
    if (endpoint === undefined) this.#endpoints.delete(id);
    else this.#endpoints.set(id, endpoint);
    if (old !== undefined && old.interfaceName !== endpoint?.interfaceName) {
      this.#interfaces.release(old.interfaceName, id);
      this.#shadowed.delete(id);
    }
    if (endpoint !== undefined) this.#interfaces.claim(endpoint.interfaceName, id);
    this.#sink.emitEndpoint(id, undefined);
    for (const name of new Set([old?.interfaceName, endpoint?.interfaceName])) {
      if (name !== undefined) this.#emitClaimants(name);
    }
  }

  #emitClaimants(interfaceName: string): void {
    const [winner, ...shadowed] = this.#interfaces.claimantsOf(interfaceName);
    if (winner === undefined) return;
    for (const id of shadowed) {
      this.#sink.emitEndpoint(id, undefined);
      if (this.#shadowed.get(id) !== winner) this.#sink.onShadowed(id, winner, interfaceName);
      this.#shadowed.set(id, winner);
    }
    this.#shadowed.delete(winner);
    this.#sink.emitEndpoint(winner, this.#endpoints.get(winner));
  }
}

/** Orchestrator first, then workload, then endpoint; a slash must not sort between the characters of a name. */
function compareIds(a: EndpointId, b: EndpointId): number {
  const left = a.split('/');
  const right = b.split('/');
  for (let i = 0; i < Math.max(left.length, right.length); i++) {
    const order = compareText(left[i] ?? '', right[i] ?? '');
    if (order !== 0) return order;
  }
  return 0;
}
