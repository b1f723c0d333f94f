/**
 * A text that no log line, error or dump may show: however it is printed, it is three asterisks. `reveal` is the one way
 * to the text, so a search for it finds every place that uses a secret.
 */

const HIDDEN = '***';
/** What console.log and util.inspect look for. */
const INSPECT = Symbol.for('nodejs.util.inspect.custom');

export class Secret {
  readonly #text: string;

  constructor(text: string) {
    this.#text = text;
  }

  /** The text itself, for whoever has to present it. */
  reveal(): string {
    return this.#text;
  }

  toString(): string {
    return HIDDEN;
  }

  toJSON(): string {
    return HIDDEN;
  }

  [INSPECT](): string {
    return HIDDEN;
  }
}
