/**
 * The order in which the kernel is brought to the desired state. The plan is a list of named steps, run one after the
 * other; each makes one kind of object what it should be.
 *
 * A step that fails leaves the rest to go on: a route that the kernel refuses must not cost another pod its neighbour.
 * The exception is a step that guards: what comes behind it would be unsafe without it, so its failure ends the run.
 */
export interface Step {
  readonly name: string;
  /** Nothing behind this step may happen when it failed. */
  readonly isGuard?: boolean;
  /** Resolves to what failed, none when all is as it should be. Rejects only when the signal aborts. */
  run(signal: AbortSignal): Promise<readonly StepFailure[]>;
}

export interface StepFailure {
  /** The object that failed; undefined when it was the whole step. */
  readonly key: string | undefined;
  readonly error: Error;
}

export interface PlanResult {
  /** By step, in order; only steps with failures. */
  readonly failures: ReadonlyMap<string, readonly StepFailure[]>;
  /** The guard that ended the run early. */
  readonly stoppedBy: string | undefined;
}

/** `onStep` is called before each step: the sign of life of a long run. */
export async function runPlan(steps: readonly Step[], signal: AbortSignal, onStep: () => void): Promise<PlanResult> {
  const failures = new Map<string, readonly StepFailure[]>();
  for (const step of steps) {
    signal.throwIfAborted();
    onStep();
    const failed = await step.run(signal);
    if (failed.length === 0) continue;
    failures.set(step.name, failed);
    if (step.isGuard) return {failures, stoppedBy: step.name};
  }
  return {failures, stoppedBy: undefined};
}

/** The work of each step; the order is made here and nowhere else. */
export interface PlanParts {
  readonly rules: Step;
  readonly hostSysctls: Step;
  readonly tunnels: Step;
  readonly tunnelAddresses: Step;
  readonly fdb: Step;
  readonly interfaces: Step;
  readonly routes: readonly Step[];
  readonly neighbours: Step;
  readonly files: readonly Step[];
}

export function buildPlan(parts: PlanParts): readonly Step[] {
  return [
    // Sets come here, before the rules that refer to them.

    // Before any workload link comes up: an interface never forwards a packet that no rule has seen. Hence a guard.
    parts.rules,
    // Before the interfaces: switching forwarding on for the host rewrites the setting of every interface.
    parts.hostSysctls,
    // Before whatever needs the device: its address, its forwarding entries, routes and neighbours on it.
    parts.tunnels,
    // Before the routes through the tunnel: packets of this node take it as their source.
    parts.tunnelAddresses,
    // Before the routes through the tunnel: the first packet must not find a device that knows nobody.
    parts.fdb,
    // Settings, then link up. Before the routes: the kernel takes none for a link that is down.
    parts.interfaces,
    // Local workloads, tunnels, subnets, blackholes: one table, so one step; which class wins is settled in render.
    // The kernel has nothing to say about their order: gateways are on-link.
    ...parts.routes,
    // After the interfaces: a link that is down forgets them. After the routes only because a route without neighbour
    // still delivers (the kernel asks), and a neighbour without route does not.
    parts.neighbours,
    // Deleting connections comes here, after the routes: else a packet makes the entry anew on the old way.
    // Policy routing rules come here, after the tables they point to.

    // What others may read is written when it is true.
    ...parts.files,
  ];
}
