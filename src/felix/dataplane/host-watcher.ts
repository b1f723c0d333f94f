/**
 * Keeps the picture of the host true: reads it when in doubt, takes the kernel's news over, and looks up at once what
 * somebody else tells us of before the kernel does.
 *
 * News that come while the host is being read wait until it has been: they may be older than what the read shows, but
 * the last news of an object is its final state.
 */
import type {Logger} from '../../lib/log.ts';
import type {LinkChange} from './host-links.ts';
import type {KernelState} from './kernel-state.ts';
import type {HostReader, KernelMonitor, KernelNews} from './kernel-view.ts';

type ObjectNews = Exclude<KernelNews, {kind: 'lost'}>;

export interface HostWatcherDependencies {
  readonly host: HostReader;
  readonly monitor: KernelMonitor;
  readonly state: KernelState;
  readonly log: Logger;
  readonly listener: HostListener;
}

export interface HostListener {
  /** News were taken over, and changed these links. */
  onNews(changes: readonly LinkChange[]): void;
  /** Addresses changed, or anything may have: MTU, parent device and verdicts are to be found anew. */
  onHostChange(): void;
}

export class HostWatcher {
  readonly #dependencies: HostWatcherDependencies;
  #isStale = true;
  #waitingNews: ObjectNews[] | undefined;
  /** Links to look up before the next run. */
  readonly #expected = new Set<string>();

  constructor(dependencies: HostWatcherDependencies) {
    this.#dependencies = dependencies;
  }

  start(): void {
    const {monitor, state} = this.#dependencies;
    monitor.start({onNews: (news) => this.#onNews(news), nameOf: (index) => state.hostLinks.nameOf(index)});
  }

  stop(): void {
    this.#dependencies.monitor.stop();
  }

  /** The picture has to be read again. */
  get isStale(): boolean {
    return this.#isStale;
  }

  invalidate(): void {
    this.#isStale = true;
  }

  /** Somebody made that link: it is looked up before the next run, even if we believe to know it. */
  expect(name: string): void {
    this.#expected.add(name);
  }

  /** The link has not been looked up since `expect`. */
  isExpected(name: string): boolean {
    return this.#expected.has(name);
  }

  /** Before a run: reads what is in doubt and looks up what is expected. */
  async look(signal: AbortSignal): Promise<void> {
    if (this.#isStale) await this.#read(signal);
    const names = [...this.#expected];
    this.#expected.clear();
    try {
      await this.seek(names, signal);
    } catch (error) {
      for (const name of names) this.#expected.add(name);
      throw error;
    }
  }

  /** Looks links up instead of waiting for the kernel to tell of them. */
  async seek(names: readonly string[], signal: AbortSignal): Promise<void> {
    if (names.length === 0) return;
    const {host, state} = this.#dependencies;
    const found = await host.find(names, signal);
    for (const link of found) this.#take({kind: 'link', link, isGone: false});
    const isFound = new Set(found.map(({name}) => name));
    for (const name of names) {
      const known = state.hostLinks.get(name);
      if (known !== undefined && !isFound.has(name)) this.#take({kind: 'link', link: known, isGone: true});
    }
  }

  async #read(signal: AbortSignal): Promise<void> {
    const {host, state} = this.#dependencies;
    this.#isStale = false;
    this.#waitingNews = [];
    try {
      state.replaceHost(await host.read(signal));
    } catch (error) {
      this.#isStale = true;
      throw error;
    } finally {
      const news = this.#waitingNews;
      this.#waitingNews = undefined;
      for (const one of news) this.#take(one);
    }
  }

  #onNews(news: KernelNews): void {
    const {listener, log, state} = this.#dependencies;
    if (news.kind !== 'lost') {
      if (this.#waitingNews === undefined) this.#take(news);
      else this.#waitingNews.push(news);
      return;
    }
    log.warn({reason: news.reason}, 'kernel events were lost, reading everything back');
    this.#isStale = true;
    state.invalidate('all');
    listener.onHostChange();
  }

  #take(news: ObjectNews): void {
    const {listener, state} = this.#dependencies;
    listener.onNews(state.take(news));
    if (news.kind === 'address') listener.onHostChange();
  }
}
