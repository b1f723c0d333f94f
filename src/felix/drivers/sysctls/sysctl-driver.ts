/** Settings of the host as a whole. Which are ours is configuration; one that is no longer ours is left as it is. */
import type {Changes, Driver} from '../../../lib/driver.ts';
import type {Sysctls} from '../../../netlink/sysctls.ts';
import {type Sysctl, type SysctlKey, sysctlKey} from '../../dataplane/entries.ts';
import type {Ownership} from '../shared/ownership.ts';
import {isWanted, readSettings, writeSettings} from '../shared/settings.ts';

export class SysctlDriver implements Driver<SysctlKey, Sysctl> {
  readonly kind = 'sysctl';
  readonly #sysctls: Sysctls;
  readonly #ownership: Pick<Ownership, 'hostSettings'>;

  constructor(dependencies: {readonly sysctls: Sysctls; readonly ownership: Pick<Ownership, 'hostSettings'>}) {
    this.#sysctls = dependencies.sysctls;
    this.#ownership = dependencies.ownership;
  }

  equal(desired: Sysctl, actual: Sysctl): boolean {
    return isWanted(desired, actual);
  }

  list(): Promise<Iterable<readonly [SysctlKey, Sysctl]>> {
    const settings = readSettings(this.#sysctls, this.#ownership.hostSettings());
    return Promise.resolve(settings.map((setting) => [sysctlKey(setting.path), setting] as const));
  }

  apply({writes}: Changes<SysctlKey, Sysctl>): Promise<ReadonlyMap<SysctlKey, Error>> {
    const failed = new Map<SysctlKey, Error>();
    for (const error of writeSettings(this.#sysctls, [...writes.values()]))
      failed.set(sysctlKey(error.path), error.error);
    return Promise.resolve(failed);
  }
}
