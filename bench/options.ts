/** How long and how often a benchmark measures, and where it says how far it is. */

export interface BenchOptions {
  /** Times each subject is measured, in turns; figures are medians over them. Below 5 nothing is recorded. */
  readonly rounds: number;
  /** Length of one measurement. */
  readonly seconds: number;
  /** Only shows that everything runs: shortest loads, no wait for the machine to rest. */
  readonly quick: boolean;
  readonly progress: (text: string) => void;
}

/** Fewer rounds than this make no figure worth keeping. */
export const RECORDED_ROUNDS_MIN = 5;
