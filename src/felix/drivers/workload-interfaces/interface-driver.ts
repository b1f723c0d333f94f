/**
 * The host side of workloads' veths: settings first, then up. An interface one of whose settings is refused stays down,
 * for the pod behind it would have a network that is not the one we mean.
 *
 * The interface itself is the runtime's: we neither make nor delete it, and one that nobody claims is left as it is.
 */
import type {Clock} from '../../../lib/clock.ts';
import type {Changes, Driver} from '../../../lib/driver.ts';
import {createBreather} from '../../../lib/yielding.ts';
import {changeLinks, dumpLinks, type LinkChange} from '../../../netlink/links.ts';
import type {RouteSocket} from '../../../netlink/route-socket.ts';
import type {Sysctls} from '../../../netlink/sysctls.ts';
import {
  type InterfaceEntry,
  type InterfaceKey,
  interfaceKey,
  type Sysctl,
  workloadSysctlPaths,
} from '../../dataplane/entries.ts';
import type {LinkPicture} from '../shared/links-by-name.ts';
import {collectFailures, missingLink} from '../shared/outcomes.ts';
import type {Ownership} from '../shared/ownership.ts';
import {correctSettings, isWanted, readSettings} from '../shared/settings.ts';

export interface InterfaceDriverDependencies {
  readonly socket: RouteSocket;
  readonly sysctls: Sysctls;
  readonly ownership: Pick<Ownership, 'isClaimed'>;
  readonly links: LinkPicture;
  readonly clock: Clock;
}

export class InterfaceDriver implements Driver<InterfaceKey, InterfaceEntry> {
  readonly kind = 'workload interface';
  readonly #dependencies: InterfaceDriverDependencies;

  constructor(dependencies: InterfaceDriverDependencies) {
    this.#dependencies = dependencies;
  }

  equal(desired: InterfaceEntry, actual: InterfaceEntry): boolean {
    if (desired.isUp !== actual.isUp) return false;
    return desired.sysctls.every((setting) => {
      const seen = actual.sysctls.find(({path}) => path === setting.path);
      return seen !== undefined && isWanted(setting, seen);
    });
  }

  async list(signal: AbortSignal): Promise<Iterable<readonly [InterfaceKey, InterfaceEntry]>> {
    const {clock, ownership, socket, sysctls} = this.#dependencies;
    const entries: (readonly [InterfaceKey, InterfaceEntry])[] = [];
    const breather = createBreather({}, {clock});
    for (const {name, up} of await dumpLinks(socket, {}, signal)) {
      if (!ownership.isClaimed(name)) continue;
      const seen = readSettings(sysctls, workloadSysctlPaths(name));
      entries.push([interfaceKey(name), {link: name, sysctls: seen, isUp: up}]);
      if (breather.isDue()) await breather.breathe(signal);
    }
    return entries;
  }

  async apply(
    {writes}: Changes<InterfaceKey, InterfaceEntry>,
    signal: AbortSignal,
  ): Promise<ReadonlyMap<InterfaceKey, Error>> {
    const {clock, links, socket} = this.#dependencies;
    const failed = new Map<InterfaceKey, Error>();
    const keys: InterfaceKey[] = [];
    const changes: LinkChange[] = [];
    const breather = createBreather({}, {clock});
    for (const [key, entry] of writes) {
      const link = links.get(entry.link);
      const error = link === undefined ? missingLink(entry.link, 'configure it') : this.#configure(entry.sysctls);
      if (error !== undefined) failed.set(key, error);
      else if (link !== undefined) {
        keys.push(key);
        changes.push({index: link.index, up: entry.isUp});
      }
      if (breather.isDue()) await breather.breathe(signal);
    }
    if (changes.length > 0)
      collectFailures(failed, keys, await changeLinks(socket, changes, signal), 'set the interface up');
    return failed;
  }

  #configure(settings: readonly Sysctl[]): Error | undefined {
    return correctSettings(this.#dependencies.sysctls, settings)[0]?.error;
  }
}
