/** What every bench is given. */
export interface BenchOptions {
  /** Rounds whose values count. */
  readonly rounds: number;
  /** Says on standard error what is going on. */
  readonly progress: (text: string) => void;
}
