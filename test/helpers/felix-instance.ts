/** A whole Felix - calculation, data plane, drivers, pacing - over one namespace, fed with the content of a datastore. */
import {Config} from '../../src/felix/config.ts';
import type {RulesStep} from '../../src/felix/dataplane/rules-step.ts';
import {noRules} from '../../src/felix/dataplane/rules-step.ts';
import {Felix} from '../../src/felix/felix.ts';
import {systemClock} from '../../src/lib/clock.ts';
import {HealthRegistry} from '../../src/lib/health.ts';
import {type Logger, silentLogger} from '../../src/lib/log.ts';
import {createRegistry, type Registry, StageMetrics} from '../../src/lib/metrics.ts';
import type {Addon} from '../../src/native/addon.ts';

export interface FelixInstanceOptions {
  readonly nodeName: string;
  readonly netnsFd?: number;
  readonly addon?: Pick<Addon, 'openNetlink' | 'readSysctls' | 'writeSysctls'>;
  /** Parameters, as the environment would set them. */
  readonly parameters?: Readonly<Record<string, string>>;
  readonly rules?: RulesStep;
  readonly mtuFolder?: string;
  readonly endpointStatusFolder?: string;
  readonly log?: Logger;
}

export interface FelixInstance {
  readonly felix: Felix;
  readonly health: HealthRegistry;
  readonly registry: Registry;
  readonly config: Config;
}

export function startFelix(t: {teardown(task: () => unknown): void}, options: FelixInstanceOptions): FelixInstance {
  const log = options.log ?? silentLogger;
  const registry = createRegistry();
  const health = new HealthRegistry({}, {clock: systemClock});
  const config = new Config({log});
  config.setLayer('environment', new Map(Object.entries(options.parameters ?? {})));
  const felix = new Felix(options, {
    clock: systemClock,
    log,
    registry,
    stageMetrics: new StageMetrics({}, {registry}),
    health,
    config,
    rules: options.rules ?? noRules,
    addon: options.addon,
  });
  t.teardown(() => felix.stop());
  felix.start();
  return {felix, health, registry, config};
}

/** Hands a whole datastore over, as a Syncer does. */
export function feed(felix: Felix, content: ReadonlyMap<string, string>): void {
  felix.onStatus('resyncing');
  felix.onUpdates([...content].map(([key, value]) => ({key, value, revision: '1'})));
  felix.onStatus('in-sync');
}
