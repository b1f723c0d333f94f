/** What the parent of a node process says to it, and what it hears. */
export interface NodeProcessOptions {
  readonly folder: string;
  readonly node: string;
  readonly seed: number;
  readonly operations: number;
  /** The process kills itself at this boundary between calls of the store; 0: never. */
  readonly dieAtCall: number;
  /** False: keys are written one by one, as on the Kubernetes API. */
  readonly isAtomic: boolean;
  /** Containers that live on this node. */
  readonly alive: readonly string[];
}

export type Report =
  | {readonly kind: 'reclaimed'}
  | {readonly kind: 'adding'; readonly container: string}
  | {readonly kind: 'added'; readonly container: string; readonly ips: readonly string[]}
  | {readonly kind: 'refused'; readonly container: string}
  | {readonly kind: 'removing'; readonly container: string}
  | {readonly kind: 'removed'; readonly container: string}
  | {readonly kind: 'finished'};
