/** An HTTP server that follows its settings: started, moved and stopped while the agent runs. */
import {messageOf} from '../lib/errors.ts';
import type {Logger} from '../lib/log.ts';
import {type HttpRoutes, type RunningHttpServer, startHttpServer} from './http-server.ts';

/** Where it listens; undefined when it is switched off. */
export type ListenSettings = {readonly host: string | undefined; readonly port: number} | undefined;

export class SwitchableServer {
  readonly #name: string;
  readonly #routes: HttpRoutes;
  readonly #log: Logger;
  #running: RunningHttpServer | undefined;
  #settings: ListenSettings;
  /** Changes are carried out one after the other. */
  #change: Promise<void> = Promise.resolve();

  constructor(options: {readonly name: string; readonly routes: HttpRoutes}, dependencies: {readonly log: Logger}) {
    this.#name = options.name;
    this.#routes = options.routes;
    this.#log = dependencies.log;
  }

  /** Resolves when the settings are carried out. An address that cannot be bound is logged: the agent goes on. */
  apply(settings: ListenSettings): Promise<void> {
    this.#change = this.#change.then(() => this.#carryOut(settings));
    return this.#change;
  }

  async #carryOut(settings: ListenSettings): Promise<void> {
    if (settings?.host === this.#settings?.host && settings?.port === this.#settings?.port) return;
    await this.#running?.close();
    this.#running = undefined;
    this.#settings = settings;
    if (settings === undefined) return;
    try {
      this.#running = await startHttpServer({name: this.#name, ...settings, routes: this.#routes}, {log: this.#log});
      this.#log.info({server: this.#name, host: settings.host ?? '*', port: settings.port}, 'listening');
      if (settings.host === undefined) {
        this.#log.warn({server: this.#name, port: settings.port}, 'listening on all addresses without TLS');
      }
    } catch (error) {
      this.#settings = undefined;
      this.#log.error({server: this.#name, ...settings, reason: messageOf(error), err: error}, 'server not started');
    }
  }
}
