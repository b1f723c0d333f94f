/** After a run: is an endpoint's host side in place, and if not, why not. */
import {messageChain} from '../../lib/errors.ts';
import type {EndpointId} from '../calc/intent.ts';
import {type Desired, workloadOwner} from './desired.ts';
import {downStatus, type EndpointFailure, type EndpointStatus, errorStatus, upStatus} from './endpoint-report.ts';
import {interfaceKey, neighbourKey, routeKey} from './entries.ts';
import type {KernelState} from './kernel-state.ts';
import type {PlanResult} from './plan.ts';
import type {RenderedWorkload} from './render-workload.ts';

/** One object of an endpoint, in its stage. */
interface Part {
  readonly kind: string;
  readonly key: string;
  readonly isInPlace: boolean;
}

export interface EndpointJudgeDependencies {
  readonly state: KernelState;
  readonly desired: Pick<Desired, 'renderedEndpoint' | 'refusalOf' | 'isRouteSyncDisabled'>;
}

export class EndpointJudge {
  readonly #state: KernelState;
  readonly #desired: EndpointJudgeDependencies['desired'];

  constructor(dependencies: EndpointJudgeDependencies) {
    this.#state = dependencies.state;
    this.#desired = dependencies.desired;
  }

  judge(id: EndpointId, result: PlanResult): EndpointStatus {
    const refusal = this.#desired.refusalOf(id);
    if (refusal !== undefined) return errorStatus(refusal, []);
    const rendered = this.#desired.renderedEndpoint(id);
    if (rendered === undefined) return downStatus('not applied yet');
    const {link} = rendered.interfaceEntry;
    if (this.#state.hostLinks.get(link) === undefined) return downStatus(`interface ${link} is not there`);
    const taken = this.#takenRoute(id, rendered);
    if (taken !== undefined) return taken;
    const missing = this.#parts(rendered).filter((part) => !part.isInPlace);
    if (missing.length === 0) return upStatus();
    return this.#explain(missing, result);
  }

  /** Somebody else has the route to one of its addresses. */
  #takenRoute(id: EndpointId, {routes}: RenderedWorkload): EndpointStatus | undefined {
    if (this.#desired.isRouteSyncDisabled) return undefined;
    for (const {destination} of routes) {
      const winner = this.#state.routeClaims.winnerOf(destination);
      if (winner !== workloadOwner(id)) return errorStatus(`${destination} belongs to ${winner ?? 'nobody'}`, []);
    }
    return undefined;
  }

  #parts({interfaceEntry, neighbours, routes}: RenderedWorkload): readonly Part[] {
    const {interfaces, neighbours: neighbourStage, routes4, routes6} = this.#state;
    const parts: Part[] = [partOf(interfaces, interfaceKey(interfaceEntry.link))];
    if (!this.#desired.isRouteSyncDisabled)
      for (const route of routes) parts.push(partOf(route.family === 4 ? routes4 : routes6, routeKey(route)));
    for (const neighbour of neighbours) parts.push(partOf(neighbourStage, neighbourKey(neighbour)));
    return parts;
  }

  #explain(missing: readonly Part[], {failures, stoppedBy}: PlanResult): EndpointStatus {
    const found: EndpointFailure[] = [];
    if (stoppedBy !== undefined)
      for (const {error} of failures.get(stoppedBy) ?? []) found.push({kind: stoppedBy, key: '', error});
    for (const {key, kind} of missing)
      for (const failure of failures.get(kind) ?? [])
        if (failure.key === undefined || failure.key === key) found.push({kind, key, error: failure.error});
    const [first] = found;
    if (first !== undefined) return errorStatus(messageChain(first.error), found);
    return downStatus(`${missing.map(({key, kind}) => `${kind} ${key}`).join(', ')} not in place yet`);
  }
}

interface StageView<K extends string> {
  readonly kind: string;
  readonly tracker: {readonly desired: ReadonlyMap<K, unknown>; isPending(key: K): boolean};
}

const partOf = <K extends string>({kind, tracker}: StageView<K>, key: K): Part => ({
  kind,
  key,
  isInPlace: tracker.desired.has(key) && !tracker.isPending(key),
});
