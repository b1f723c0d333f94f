/**
 * What the drivers have to know of the configuration to tell ours from foreign. Asked each time, because it can change
 * while we run.
 */
export interface Ownership {
  /** The link is the host side of a workload, by its name. */
  isWorkloadInterface(link: string): boolean;
  /** Something is wanted for that interface; the others are left as they are. */
  isClaimed(link: string): boolean;
  /** DeviceRouteProtocol. */
  deviceRouteProtocol(): number;
  /** RemoveExternalRoutes. */
  removesExternalRoutes(): boolean;
  /** An unknown route on this workload interface is to be overlooked for now. */
  holdsBack(link: string, index: number): boolean;
}
