/** The steps of the plan: which stage each runs, and what a step sees of the one before it. */
import {AgentError} from '../../lib/errors.ts';
import type {Desired} from './desired.ts';
import type {FileEntry, FileKey} from './entries.ts';
import type {HostWatcher} from './host-watcher.ts';
import type {KernelState} from './kernel-state.ts';
import {buildPlan, type Step, type StepFailure} from './plan.ts';
import type {RulesStep} from './rules-step.ts';
import type {Stage, StageOutcome} from './stage.ts';

export interface KernelStepsDependencies {
  readonly state: KernelState;
  readonly desired: Desired;
  readonly watcher: HostWatcher;
  readonly rules: RulesStep;
  readonly mtuFile: Stage<FileKey, FileEntry> | undefined;
  /** What a step has changed in the kernel. */
  readonly onChanges: (kind: string, count: {readonly written: number; readonly removed: number}) => void;
}

export function kernelSteps(dependencies: KernelStepsDependencies): readonly Step[] {
  const {desired, mtuFile, onChanges, rules, state, watcher} = dependencies;

  const note = <K extends string, V>(kind: string, outcome: StageOutcome<K, V>): readonly StepFailure[] => {
    const {error, failed, removed, written} = outcome;
    if (written.size > 0 || removed.size > 0) onChanges(kind, {written: written.size, removed: removed.size});
    if (error !== undefined) return [{key: undefined, error}];
    return [...failed].map(([key, failure]) => ({key, error: failure}));
  };

  const stageStep = <K extends string, V>(stage: Stage<K, V>): Step => ({
    name: stage.kind,
    run: async (signal) => (stage.isPending ? note(stage.kind, await stage.run(signal)) : []),
  });

  const rulesStep: Step = {
    name: 'rules',
    isGuard: true,
    async run(signal) {
      try {
        await rules.apply(desired.endpoints, signal);
        return [];
      } catch (error) {
        signal.throwIfAborted();
        return [{key: undefined, error: new AgentError('E_RULES', 'the rules could not be written', {}, error)}];
      }
    },
  };

  const tunnelStep: Step = {
    name: state.tunnels.kind,
    async run(signal) {
      const undecided = undecidedTunnels(desired);
      // A device that is to exist but cannot be described would be taken for one that is not wanted.
      if (undecided.length > 0) return undecided;
      if (!state.tunnels.isPending) return [];
      const outcome = await state.tunnels.run(signal);
      // What hangs on a device must see it in the same run.
      await watcher.seek([...outcome.written.keys()], signal);
      return note(state.tunnels.kind, outcome);
    },
  };

  const interfaceStep: Step = {
    name: state.interfaces.kind,
    async run(signal) {
      if (!state.interfaces.isPending) return [];
      const outcome = await state.interfaces.run(signal);
      // The kernel said that they are up; the routes of this run need not wait until it announces it.
      for (const {link} of outcome.written.values()) state.setUp(link);
      return note(state.interfaces.kind, outcome);
    },
  };

  return buildPlan({
    rules: rulesStep,
    hostSysctls: stageStep(state.sysctls),
    tunnels: tunnelStep,
    tunnelAddresses: stageStep(state.addresses),
    fdb: stageStep(state.fdb),
    interfaces: interfaceStep,
    routes: [stageStep(state.routes4), stageStep(state.routes6)],
    neighbours: stageStep(state.neighbours),
    files: mtuFile ? [stageStep(mtuFile)] : [],
  });
}

function undecidedTunnels({undecidedTunnels: undecided}: Desired): readonly StepFailure[] {
  return [...undecided].map(([family, nodeIp]) => ({
    key: `ipv${family}`,
    error: new AgentError('E_TUNNEL_PARENT', `no interface has the node's address ${nodeIp}`, {family, nodeIp}),
  }));
}
