/**
 * What the CNI server needs of Felix, which this room must not import: hand over an endpoint before it is in the
 * datastore, and hear when its host side is in place. `Felix` of src/felix satisfies it as it is.
 */
import type {Revision} from '../datastore/store.ts';
import type {WorkloadEndpoint} from '../model/kinds/workload-endpoint.ts';

/** A write of one endpoint on its way to the datastore. Exactly one of the two is called, once. */
export interface LocalWrite {
  succeeded(outcome: {readonly revision: Revision | undefined; readonly replaced: Revision | undefined}): void;
  failed(): void;
}

export interface FelixPort {
  readonly localEndpoints: {
    /** `endpoint` holds from now on. Throws E_INVALID_RESOURCE for one that breaks a rule. */
    put(key: string, endpoint: WorkloadEndpoint): LocalWrite;
    /** The endpoint is gone from now on. */
    remove(key: string): LocalWrite;
  };
  /**
   * Resolves when settings, link, routes and neighbours of the endpoint are in the kernel. Rejects with
   * E_ENDPOINT_FAILED and what was refused, or E_DEADLINE or E_ABORTED and what is awaited, when the signal aborts.
   */
  waitForEndpoint(id: string, signal: AbortSignal): Promise<void>;
}
