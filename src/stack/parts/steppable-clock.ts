/**
 * For drills: hubs whose wall clock is stepped by a file, so that the machine's own stays as it is. By libfaketime, where it is installed; elsewhere
 * there is no file, and the drill says so.
 */
import { globSync, rmSync, writeFileSync } from 'node:fs';
import type { Layout } from '../layout.ts';

/** The form for programs with threads. */
const LIBRARY = '/usr/lib/{*/,}faketime/libfaketimeMT.so.1';

function clockFile(layout: Layout): string {
  return layout.in('drill', 'clock');
}

/** Settings of a hub's process; see faketime(1). */
export function steppableClock(layout: Layout): Record<string, string> {
  const [library] = globSync(LIBRARY);
  if (library === undefined) return {};
  return {
    LD_PRELOAD: library,
    FAKETIME_TIMESTAMP_FILE: clockFile(layout),
    // A clock that is set leaves the monotonic one alone.
    FAKETIME_DONT_FAKE_MONOTONIC: '1',
    // Seconds between two looks at the file.
    FAKETIME_CACHE_DURATION: '1',
  };
}

/** As the machine's clock, until the file says otherwise. */
export function keepClock(layout: Layout): void {
  if (globSync(LIBRARY).length > 0) writeFileSync(clockFile(layout), '+0\n');
  else rmSync(clockFile(layout), { force: true });
}
