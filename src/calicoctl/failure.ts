/**
 * Why a command ends early: what to print, where, and the exit code. Scripts read Calico's messages, so some of them go to
 * standard output although they are errors; that is Calico's doing and kept.
 */
export interface FailureOptions {
  readonly stream?: 'out' | 'err';
  readonly exitCode?: number;
  /** Printed to standard output before the message. */
  readonly hint?: string;
  readonly cause?: unknown;
}

export class Failure extends Error {
  readonly stream: 'out' | 'err';
  readonly exitCode: number;
  readonly hint: string | undefined;

  /** `message` is printed as it is, followed by a line end. */
  constructor(message: string, options: FailureOptions = {}) {
    super(message, options.cause === undefined ? undefined : {cause: options.cause});
    this.name = 'Failure';
    this.stream = options.stream ?? 'err';
    this.exitCode = options.exitCode ?? 1;
    this.hint = options.hint;
  }
}
