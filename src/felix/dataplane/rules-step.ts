/**
 * What enforces policy plugs in here. The data plane calls it before it lets any workload interface come up, and takes
 * its failure as the end of the run: an interface without its rules stays down.
 */
import type {EndpointId, WorkloadEndpointIntent} from '../calc/intent.ts';

export interface RulesStep {
  /** Resolves when the kernel enforces what these endpoints need; rejects when it does not. */
  apply(endpoints: ReadonlyMap<EndpointId, WorkloadEndpointIntent>, signal: AbortSignal): Promise<void>;
}

/** There is no policy yet: every pod is open, and that is in force at once. */
export const noRules: RulesStep = {apply: () => Promise.resolve()};
