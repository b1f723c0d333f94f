/** What can be asked of a running agent over HTTP: probes and metrics, each on an address that may change meanwhile. */
import {type HealthRegistry, renderHealth} from '../lib/health.ts';
import type {Logger} from '../lib/log.ts';
import type {Registry} from '../lib/metrics.ts';
import {plain} from './http-server.ts';
import {type ListenSettings, SwitchableServer} from './switchable-server.ts';

export interface ListenersSettings {
  readonly health: ListenSettings;
  readonly metrics: ListenSettings;
}

export interface ListenersDependencies {
  readonly health: HealthRegistry;
  readonly registry: Registry;
  readonly log: Logger;
}

export class Listeners {
  readonly #health: SwitchableServer;
  readonly #metrics: SwitchableServer;

  constructor({health, registry, log}: ListenersDependencies) {
    const probe = (question: 'live' | 'ready') => {
      const snapshot = health.snapshot();
      return plain(snapshot[question] ? 200 : 503, `${renderHealth(snapshot)}\n`);
    };
    const metrics = async () => ({status: 200, contentType: registry.contentType, body: await registry.metrics()});
    this.#health = new SwitchableServer(
      {name: 'health', routes: {'/liveness': () => probe('live'), '/readiness': () => probe('ready')}},
      {log},
    );
    this.#metrics = new SwitchableServer({name: 'metrics', routes: {'/metrics': metrics}}, {log});
  }

  /** Resolves when the settings are carried out. */
  async apply({health, metrics}: ListenersSettings): Promise<void> {
    await Promise.all([this.#health.apply(health), this.#metrics.apply(metrics)]);
  }

  stop(): Promise<void> {
    return this.apply({health: undefined, metrics: undefined});
  }
}
