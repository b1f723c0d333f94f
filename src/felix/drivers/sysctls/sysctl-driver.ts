/** Settings of the host as a whole, from a fixed list of paths. What is no longer wanted is left as it is. */
import type {Changes, Driver} from '../../../lib/driver.ts';
import type {Sysctls} from '../../../netlink/sysctls.ts';
import {type Sysctl, type SysctlKey, sysctlKey} from '../../dataplane/entries.ts';
import {isWanted, readSettings, writeSettings} from '../shared/settings.ts';

export class SysctlDriver implements Driver<SysctlKey, Sysctl> {
  readonly kind = 'sysctl';
  readonly #paths: readonly string[];
  readonly #sysctls: Sysctls;

  constructor(options: {readonly paths: readonly string[]}, dependencies: {readonly sysctls: Sysctls}) {
    this.#paths = options.paths;
    this.#sysctls = dependencies.sysctls;
  }

  equal(desired: Sysctl, actual: Sysctl): boolean {
    return isWanted(desired, actual);
  }

  list(): Promise<Iterable<readonly [SysctlKey, Sysctl]>> {
    const settings = readSettings(this.#sysctls, this.#paths);
    return Promise.resolve(settings.map((setting) => [sysctlKey(setting.path), setting] as const));
  }

  apply({writes}: Changes<SysctlKey, Sysctl>): Promise<ReadonlyMap<SysctlKey, Error>> {
    const failed = new Map<SysctlKey, Error>();
    for (const error of writeSettings(this.#sysctls, [...writes.values()]))
      failed.set(sysctlKey(error.path), error.error);
    return Promise.resolve(failed);
  }
}
