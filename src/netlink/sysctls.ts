/**
 * Settings below /proc/sys of one network namespace. Reads and writes happen inside that namespace, in one native call
 * that returns to where it was. Each costs some microseconds: whoever has thousands does them in portions.
 */
import {type Addon, addon, type SysctlWrite} from '../native/addon.ts';

export interface SysctlsOptions {
  /** Descriptor of the namespace, needed as long as this object is used; the process's own when absent. */
  readonly netnsFd?: number | undefined;
}

export interface SysctlsDependencies {
  readonly addon?: Pick<Addon, 'readSysctls' | 'writeSysctls'>;
}

export class Sysctls {
  readonly #netnsFd: number | undefined;
  readonly #addon: Pick<Addon, 'readSysctls' | 'writeSysctls'>;

  constructor(options: SysctlsOptions = {}, dependencies: SysctlsDependencies = {}) {
    this.#netnsFd = options.netnsFd;
    this.#addon = dependencies.addon ?? addon();
  }

  /** Trimmed values, in order; a positive errno where reading failed. */
  read(paths: readonly string[]): (string | number)[] {
    return this.#addon
      .readSysctls(this.#netnsFd, paths)
      .map((value) => (typeof value === 'number' ? Math.abs(value) : value.trim()));
  }

  /** All are tried, in order; 0 or a positive errno each. */
  write(writes: readonly SysctlWrite[]): number[] {
    return this.#addon.writeSysctls(this.#netnsFd, writes).map((errno) => Math.abs(errno));
  }
}
