/** Continuous traffic between pods while something happens: which of it was lost. */
import type {LabPod} from './lab-pod.ts';
import type {StreamResult} from './pod-process-client.ts';

export interface Flow {
  readonly from: LabPod;
  readonly to: LabPod;
  readonly family: 4 | 6;
}

export interface FlowOutcome extends StreamResult {
  /** `pod1a -> pod3b IPv6`. */
  readonly name: string;
}

/** Every flow in both directions (each datagram is sent back), from before `work` begins until after it has ended. */
export async function underTraffic(flows: readonly Flow[], work: () => Promise<void>): Promise<FlowOutcome[]> {
  const streams = await Promise.all(
    flows.map(async ({from, to, family}) => {
      await to.process();
      const process = await from.process();
      const address = to.address(family) ?? '';
      return {name: `${from.name} -> ${to.name} IPv${family}`, stream: process.stream(address)};
    }),
  );
  try {
    await work();
  } finally {
    // Also when the work fails: a stream goes on until it is ended.
    for (const {stream} of streams) void stream.end();
  }
  return Promise.all(streams.map(async ({name, stream}) => ({name, ...(await stream.outcome)})));
}

/** `pod1a -> pod3b IPv6: 3 of 812 lost (17, 18, 19)`, for every flow that lost something. */
export function losses(outcomes: readonly FlowOutcome[]): string[] {
  return outcomes
    .filter(({lost}) => lost.length > 0)
    .map(({name, sent, lost}) => `${name}: ${lost.length} of ${sent} lost (${lost.slice(0, 10).join(', ')})`);
}
