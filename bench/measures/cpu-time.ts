/** CPU time a process has used so far, its threads and the workers it forked included. */
import { readFile } from 'node:fs/promises';
import type { Subject } from '../servers/subject.ts';

/** USER_HZ, which Linux fixes at 100 for what it shows to programs (proc(5)). */
const MS_PER_TICK = 10;

/** NaN where the system does not tell (not Linux) and for what has no process here. Grain 10 ms. */
export async function cpuMsOf({ process: server }: Subject): Promise<number> {
  if (server === null || process.platform !== 'linux') return NaN;
  const children = await readFile(`/proc/${server.pid}/task/${server.pid}/children`, 'utf8');
  let ticks = 0;
  for (const pid of [String(server.pid), ...children.split(' ').filter((child) => child !== '')]) {
    const stat = await readFile(`/proc/${pid}/stat`, 'utf8');
    // The command's name, in brackets, may hold spaces; utime and stime are the 12th and 13th fields after it.
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    ticks += Number(fields[11]) + Number(fields[12]);
  }
  return ticks * MS_PER_TICK;
}
