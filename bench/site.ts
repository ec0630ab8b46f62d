/** The line-up of one run: every server started, proved to answer, and driven by the same loads, behind one upstream port. */
import { createLoads } from './load/loads.ts';
import type { Loads } from './load/loads.ts';
import { chatBody } from './load/chat.ts';
import { freePort } from '../tests/helpers/free-port.ts';
import type { Lab, Running } from './lab.ts';
import { startGovernedHub, startPlainHub } from './servers/hub.ts';
import { startNginxProxy, startNginxUpstream } from './servers/nginx.ts';
import { startPostgres } from './servers/postgres.ts';
import { chatUrl, startBareRelay, startPortkey, untilAnswering } from './servers/subject.ts';
import type { Subject } from './servers/subject.ts';

export interface Site {
  readonly lab: Lab;
  readonly loads: Loads;
  readonly upstreamPort: number;
  /** The upstream itself: what no server in front of it can beat. */
  readonly direct: Subject;
  readonly nginx: Subject;
  readonly relay: Subject;
  readonly plain: Subject;
  readonly governed: Subject;
  readonly portkey: Subject;
  /** All of them, in the order they take their turns. */
  readonly all: readonly Subject[];
  /** Holds one ordinary request. */
  readonly bodyFile: string;
  /**
   * Puts another upstream in the place of the one that answers at once, on the same port, so that no server has to be told:
   * it answers after `delayMs`, and sends streams with that gap.
   */
  delayUpstream(delayMs: number): Promise<void>;
}

/** Everything ends with the lab. */
export async function createSite(lab: Lab): Promise<Site> {
  const upstreamPort = await freePort();
  let upstream = await startNginxUpstream(lab, upstreamPort);
  const direct: Subject = { name: 'upstream, direct', url: chatUrl(upstreamPort), headers: {}, process: null };
  await untilAnswering(direct);
  const nginx = await startNginxSubject(lab, upstreamPort);
  const relay = await startBareRelay(lab, upstreamPort);
  const plain = await startPlainHub(lab, upstreamPort);
  const governed = await startGovernedHub(lab, upstreamPort, await startPostgres(lab));
  const portkey = await startPortkey(lab, upstreamPort);
  const all = [direct, nginx, relay, plain, governed, portkey];
  const loads = await createLoads(lab);
  const bodyFile = await loads.keepBody('chat.json', chatBody());

  async function delayUpstream(delayMs: number): Promise<void> {
    await upstream.stop();
    upstream = await startTimedUpstream(lab, upstreamPort, delayMs);
    for (const subject of all) await untilAnswering(subject);
  }
  return { lab, loads, upstreamPort, direct, nginx, relay, plain, governed, portkey, all, bodyFile, delayUpstream };
}

async function startNginxSubject(lab: Lab, upstreamPort: number): Promise<Subject> {
  const port = await freePort();
  const process = await startNginxProxy(lab, port, upstreamPort);
  const subject: Subject = { name: 'nginx proxy_pass', url: chatUrl(port), headers: {}, process };
  await untilAnswering(subject);
  return subject;
}

function startTimedUpstream(lab: Lab, port: number, delayMs: number): Promise<Running> {
  const program = new URL('./load/timed-upstream.ts', import.meta.url).pathname;
  const args = [program, String(port), String(delayMs)];
  return lab.start({ name: 'timed-upstream', file: process.execPath, args, side: 'load' });
}
