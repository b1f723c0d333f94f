/** Every pod to every other pod, measured by the processes inside them. */
import type {LabPod} from './lab-pod.ts';

/** What is tried between two pods. */
export type Probe = 'icmp' | 'tcp' | 'udp';

export const TCP_BYTES = 1_000_000;
/** Larger than any MTU here, so that it is fragmented. */
export const UDP_BYTES = 4000;

export interface Cell {
  readonly from: LabPod;
  readonly to: LabPod;
  readonly probe: Probe;
  readonly ok: boolean;
  readonly ms: number;
  readonly error?: string | undefined;
}

/** One cell per ordered pair and probe, in order; `onCell` hears of each as it is measured. */
export async function measureMatrix(
  pods: readonly LabPod[],
  options: {readonly family?: 4 | 6; readonly probes?: readonly Probe[]; readonly onCell?: (cell: Cell) => void} = {},
): Promise<Cell[]> {
  const cells: Cell[] = [];
  for (const from of pods) {
    const process = await from.process();
    for (const to of pods) {
      if (to === from) continue;
      await to.process();
      for (const probe of options.probes ?? (['icmp', 'tcp', 'udp'] as const)) {
        const address = to.address(options.family ?? 4) ?? '';
        const result = await send(process, probe, address);
        const cell: Cell = {from, to, probe, ...result};
        cells.push(cell);
        options.onCell?.(cell);
      }
    }
  }
  return cells;
}

function send(process: Awaited<ReturnType<LabPod['process']>>, probe: Probe, address: string) {
  switch (probe) {
    case 'icmp':
      return process.ping(address);
    case 'tcp':
      return process.tcp(address, TCP_BYTES);
    case 'udp':
      return process.udp(address, UDP_BYTES);
  }
}

/** `pod1 10.65.0.1 -> pod2 10.65.0.2 tcp: no answer`, for every cell that failed. */
export function failedCells(cells: readonly Cell[]): string[] {
  return cells
    .filter((cell) => !cell.ok)
    .map((cell) => `${cell.from.name} -> ${cell.to.name} (${cell.to.address(4)}) ${cell.probe}: ${cell.error ?? ''}`);
}
