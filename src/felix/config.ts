/**
 * Every parameter as a layered value that one can ask for and subscribe to.
 *
 * A source hands over its whole layer of raw texts whenever it changes; the highest layer that sets a parameter wins.
 * A change is taken in place: all values are in force before the first subscriber is told. What a parameter is (type,
 * default, what happens when its text is wrong) stands in model/felix-parameters.
 *
 * Two rules of Calico surprise: a wrong text does not give way to a lower layer but to the default; and where a wrong
 * text must end the program, it does so from whichever layer, even one that loses.
 */
import {isDeepStrictEqual} from 'node:util';
import {AgentError} from '../lib/errors.ts';
import type {Logger} from '../lib/log.ts';
import {
  defaultFelixValue,
  FELIX_PARAMETERS,
  type FelixParameterName,
  type FelixValues,
  findFelixParameter,
  parseFelixValue,
} from '../model/felix-parameters.ts';
import type {Parsed} from '../model/felix-syntax.ts';
import type {DatastoreConfigLayer} from './calc/intent.ts';

/**
 * Where a parameter can be set. `override`: what this kernel cannot do; `fallback`: what this agent does where nobody
 * says otherwise; both decided by ourselves.
 */
export type ConfigSource = DatastoreConfigLayer | 'fallback' | 'file' | 'environment' | 'override';

/** Highest priority first. */
const SOURCES: readonly ConfigSource[] = ['override', 'environment', 'file', 'node', 'selector', 'global', 'fallback'];
const FROM_DATASTORE: ReadonlySet<ConfigSource> = new Set<ConfigSource>(['global', 'selector', 'node']);

/** Raw texts by parameter: only those that are set, known, and allowed from the source. */
type Layer = ReadonlyMap<FelixParameterName, string>;

type Listener = (changed: ReadonlySet<FelixParameterName>) => void;

interface Subscription {
  readonly names: ReadonlySet<FelixParameterName>;
  readonly listener: Listener;
}

export class Config {
  readonly #log: Logger;
  readonly #layers = new Map<ConfigSource, Layer>();
  readonly #subscriptions = new Set<Subscription>();

  constructor(dependencies: {readonly log: Logger}) {
    this.#log = dependencies.log;
  }

  /** The value in force. Durations are in milliseconds. */
  get<N extends FelixParameterName>(name: N): FelixValues[N] {
    const source = this.sourceOf(name);
    const text = source === 'default' ? undefined : this.#layers.get(source)?.get(name);
    const parsed = text === undefined ? undefined : parse(name, text);
    return parsed === undefined || 'rule' in parsed ? defaultFelixValue(name) : parsed.value;
  }

  /** The layer whose text is in force. */
  sourceOf(name: FelixParameterName): ConfigSource | 'default' {
    return SOURCES.find((source) => this.#layers.get(source)?.has(name)) ?? 'default';
  }

  /**
   * Replaces the layer of `source`; names in any case, an empty text is the same as none. Subscribers are told before it
   * returns. Throws E_BAD_CONFIG, and changes nothing, when a text is wrong that must not be.
   */
  setLayer(source: ConfigSource, raw: ReadonlyMap<string, string>): void {
    const before = this.#layers.get(source) ?? new Map<FelixParameterName, string>();
    const layer = this.#accept(source, raw, before);
    const values = [...new Set([...before.keys(), ...layer.keys()])].map((name) => [name, this.get(name)] as const);
    this.#layers.set(source, layer);
    const changed = values.filter(([name, value]) => !isDeepStrictEqual(value, this.get(name))).map(([name]) => name);
    if (changed.length > 0) this.#tell(new Set(changed));
  }

  /** Calls `listener` after a layer changed the value of one of `names`; the result ends it. */
  subscribe(names: Iterable<FelixParameterName>, listener: Listener): () => void {
    const subscription = {names: new Set(names), listener};
    this.#subscriptions.add(subscription);
    return () => void this.#subscriptions.delete(subscription);
  }

  #accept(source: ConfigSource, raw: ReadonlyMap<string, string>, before: Layer): Layer {
    const layer = new Map<FelixParameterName, string>();
    for (const [rawName, rawText] of raw) {
      const name = findFelixParameter(rawName);
      const text = rawText.trim();
      if (name === undefined) this.#log.debug({parameter: rawName, source}, 'unknown parameter ignored');
      else if (FELIX_PARAMETERS[name].local && FROM_DATASTORE.has(source))
        this.#log.debug({parameter: name, source}, 'parameter ignored: it can be set locally only');
      else if (text !== '') layer.set(name, text);
    }
    for (const [name, text] of layer) {
      const parsed = parse(name, text);
      if (!('rule' in parsed)) continue;
      const facts = {parameter: name, value: text, source, rule: parsed.rule};
      if (FELIX_PARAMETERS[name].dieOnFail)
        throw new AgentError('E_BAD_CONFIG', `parameter ${name} from ${source} ${parsed.rule}`, facts);
      if (before.get(name) !== text) this.#log.warn(facts, 'parameter is wrong: its default is used');
    }
    return layer;
  }

  #tell(changed: ReadonlySet<FelixParameterName>): void {
    for (const {names, listener} of this.#subscriptions) {
      const concerned = new Set([...changed].filter((name) => names.has(name)));
      if (concerned.size > 0) listener(concerned);
    }
  }
}

/** The value of a text, or the rule it breaks. */
function parse<N extends FelixParameterName>(name: N, text: string): Parsed<FelixValues[N]> {
  const parsed = parseFelixValue(name, text);
  // Calculation takes routes from IPAM blocks only; routes made of every workload's addresses would cost what it saves.
  if (name === 'RouteSource' && 'value' in parsed && parsed.value === 'WorkloadIPs')
    return {rule: 'must be CalicoIPAM: no other source is supported'};
  return parsed;
}
