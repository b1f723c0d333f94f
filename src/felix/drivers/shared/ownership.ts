/**
 * What the drivers have to know of the configuration to tell ours from foreign. Asked each time, because it can change
 * while we run.
 */
export interface Ownership {
  /** The link is the host side of a workload, by its name. */
  isWorkloadInterface(link: string): boolean;
  /** Something is wanted for that interface; the others are left as they are. */
  isClaimed(link: string): boolean;
  /** Paths of the settings of the whole host that we keep. */
  hostSettings(): readonly string[];
  /** DeviceRouteProtocol as it is and as it was since we started: what was written under an earlier one is ours too. */
  deviceRouteProtocols(): ReadonlySet<number>;
  /** RemoveExternalRoutes. */
  removesExternalRoutes(): boolean;
  /** An unknown route on this workload interface is to be overlooked for now. */
  holdsBack(link: string, index: number): boolean;
}
