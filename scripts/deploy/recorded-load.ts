/** What hubs did and what it cost them under a load that was really sent: files of `npm run record:load`. */
import { readFileSync } from 'node:fs';
import type { MachineFacts } from '../../bench/machine.ts';

export interface LoadSample {
  /** Since the beginning; the figures are those of the time since the sample before. */
  readonly seconds: number;
  /** Of all hubs. */
  readonly requestsPerMinute: number;
  /** Processor time of all hubs, in cores. */
  readonly cores: number;
  /** Resident, of one hub. */
  readonly memoryMb: number;
}

export interface RecordedLoad {
  readonly curve: string;
  readonly recordedOn: string;
  readonly command: string;
  readonly machine: MachineFacts;
  readonly hubs: number;
  readonly everySeconds: number;
  readonly failed: number;
  readonly samples: readonly LoadSample[];
}

export function readRecordedLoad(curve: 'ramp' | 'bursts'): RecordedLoad {
  return JSON.parse(readFileSync(new URL(`loads/${curve}.json`, import.meta.url), 'utf8')) as RecordedLoad;
}
