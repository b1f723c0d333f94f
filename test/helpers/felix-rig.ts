/**
 * A data plane with real drivers over the kernel of one namespace, or over a fake one, run step by step by the test
 * instead of by a pacer. Without listening to the kernel's news unless `start` is called.
 */

import type {Intent} from '../../src/felix/calc/intent.ts';
import {DataPlane, type DataPlaneListener, type RunSummary} from '../../src/felix/dataplane/data-plane.ts';
import {renderHostSysctls} from '../../src/felix/dataplane/render-host.ts';
import {noRules, type RulesStep} from '../../src/felix/dataplane/rules-step.ts';
import {type DataPlaneSettings, DEFAULT_SETTINGS, isWorkloadInterface} from '../../src/felix/dataplane/settings.ts';
import {type Kernel, openKernel} from '../../src/felix/kernel.ts';
import type {Clock} from '../../src/lib/clock.ts';
import {systemClock} from '../../src/lib/clock.ts';
import {type Logger, silentLogger} from '../../src/lib/log.ts';
import type {Addon} from '../../src/native/addon.ts';

export interface RigOptions {
  readonly netnsFd?: number;
  readonly addon?: Pick<Addon, 'openNetlink' | 'readSysctls' | 'writeSysctls'>;
  readonly clock?: Clock;
  readonly settings?: Partial<DataPlaneSettings>;
  readonly rules?: RulesStep;
  readonly log?: Logger;
  readonly wrap?: (kernel: Kernel) => Kernel;
}

export class FelixRig {
  readonly dataPlane: DataPlane;
  readonly runs: RunSummary[] = [];
  readonly #kernel: Kernel;
  readonly #routeProtocols = new Set<number>();
  readonly #abort = new AbortController();
  #wanted = false;
  #wake: (() => void) | undefined;
  settings: DataPlaneSettings;

  constructor(options: RigOptions) {
    const clock = options.clock ?? systemClock;
    this.settings = {...DEFAULT_SETTINGS, ...options.settings};
    const ownership = {
      isWorkloadInterface: (link: string) => isWorkloadInterface(this.settings, link) || this.dataPlane.isClaimed(link),
      isClaimed: (link: string) => this.dataPlane.isClaimed(link),
      hostSettings: () => renderHostSysctls(this.settings).map(({path}) => path),
      deviceRouteProtocols: () => this.#routeProtocols.add(this.settings.deviceRouteProtocol),
      removesExternalRoutes: () => this.settings.removesExternalRoutes,
      holdsBack: (link: string, index: number) => this.dataPlane.state.grace.holds(link, index),
    };
    const links = {get: (name: string) => this.dataPlane.state.hostLinks.get(name)};
    const opened = openKernel({netnsFd: options.netnsFd}, {clock, links, ownership, addon: options.addon});
    this.#kernel = options.wrap?.(opened) ?? opened;
    const listener: DataPlaneListener = {
      onWork: () => {
        this.#wanted = true;
        this.#wake?.();
      },
      onStep: () => {},
      onRun: (run) => this.runs.push(run),
      onEndpoint: () => {},
    };
    this.dataPlane = new DataPlane(
      {settings: this.settings},
      {
        clock,
        log: options.log ?? silentLogger,
        random: () => 0,
        drivers: this.#kernel.drivers,
        host: this.#kernel.host,
        monitor: this.#kernel.monitor,
        rules: options.rules ?? noRules,
        listener,
      },
    );
  }

  /** The data plane has asked for a run that has not begun. */
  get isRunWanted(): boolean {
    return this.#wanted;
  }

  get lastRun(): RunSummary | undefined {
    return this.runs.at(-1);
  }

  accept(...intents: Intent[]): void {
    this.dataPlane.accept([...intents, {kind: 'flush', inSync: true}]);
  }

  configure(settings: DataPlaneSettings): void {
    this.settings = settings;
    this.dataPlane.configure(settings);
  }

  run(): Promise<'done' | 'retry'> {
    this.#wanted = false;
    return this.dataPlane.run(this.#abort.signal);
  }

  /** Runs whenever the data plane asks for it, until `isReached`. The test's own time limit ends a hopeless wait. */
  async runUntil(isReached: () => boolean): Promise<void> {
    while (!isReached()) {
      if (!this.#wanted)
        await new Promise<void>((resolve) => {
          this.#wake = resolve;
        });
      this.#wake = undefined;
      await this.run();
    }
  }

  close(): void {
    this.#abort.abort();
    this.dataPlane.stop();
    this.#kernel.close();
  }
}
