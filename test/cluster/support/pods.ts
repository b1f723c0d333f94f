/** Pods of both families, from pools that the test names. */
import type {LabNode} from '../../lab/lab-node.ts';
import type {LabPod, PodOptions} from '../../lab/lab-pod.ts';
import {failedCells, measureMatrix, type Probe} from '../../lab/matrix.ts';

export interface Pools {
  /** CIDRs or names; all enabled pools when absent. */
  readonly ipv4?: readonly string[];
  /** No IPv6 address when absent. */
  readonly ipv6?: readonly string[];
}

export function podOptions(name: string, {ipv4, ipv6}: Pools, args?: string): PodOptions {
  const ipam = {
    type: 'calico-ipam',
    assign_ipv4: 'true',
    assign_ipv6: ipv6 === undefined ? 'false' : 'true',
    ...(ipv4 === undefined ? {} : {ipv4_pools: ipv4}),
    ...(ipv6 === undefined ? {} : {ipv6_pools: ipv6}),
  };
  return {name, config: {ipam}, ...(args === undefined ? {} : {args})};
}

export function addPod(node: LabNode, name: string, pools: Pools = {}, args?: string): Promise<LabPod> {
  return node.addPod(podOptions(name, pools, args));
}

/** Cells of the matrix that failed, in the families given; empty when everybody reaches everybody. */
export async function unreachable(
  pods: readonly LabPod[],
  families: readonly (4 | 6)[] = [4, 6],
  probes: readonly Probe[] = ['icmp', 'tcp', 'udp'],
): Promise<string[]> {
  const failures: string[] = [];
  for (const family of families) {
    const cells = await measureMatrix(pods, {family, probes});
    if (cells.length !== pods.length * (pods.length - 1) * probes.length) throw new Error('the matrix is not complete');
    failures.push(...failedCells(cells).map((text) => `IPv${family} ${text}`));
  }
  return failures;
}
