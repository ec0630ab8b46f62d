/**
 * A completion that the hub has in memory, beside a bare Fastify route that parses the same request and answers the same bytes: what is
 * between them is keys, routing, the cache, the run's record, metrics and the log. They take turns on one core.
 */
import { writeFile } from 'node:fs/promises';
import { freePort } from '../../tests/helpers/free-port.ts';
import { createLab, untilQuiet } from '../lab.ts';
import { chatBody } from '../load/chat.ts';
import { createLoads } from '../load/loads.ts';
import type { BenchOptions } from '../options.ts';
import { recordsLost, startCachingHub } from '../servers/hub.ts';
import { startNginxUpstream } from '../servers/nginx.ts';
import { askOnce, startBareFastify } from '../servers/subject.ts';
import { medianRatio } from '../statistics.ts';

const CONNECTIONS = 64;
const WARM_UP_SECONDS = 10;

export interface Completion {
  /** Requests a second of the hub / those of Fastify. */
  readonly ratio: number;
  /** Records of runs that the hub's database was too slow for. */
  readonly lost: number;
}

export async function measureCompletion({ rounds, seconds, quick, progress }: BenchOptions): Promise<Completion> {
  await using lab = await createLab();
  progress('completion from memory: starting the hub, and Fastify with what it answers');
  const upstreamPort = await freePort();
  const upstream = await startNginxUpstream(lab, upstreamPort);
  const hub = await startCachingHub(lab, upstreamPort);
  const kept = await askOnce(hub);
  await upstream.stop();
  const again = await askOnce(hub);
  if (again.text !== kept.text) throw new Error(`The hub did not answer from its cache: ${again.status} ${again.text}`);
  const answerFile = lab.file('answer.json');
  await writeFile(answerFile, kept.text);
  const fastify = await startBareFastify(lab, answerFile);
  const loads = await createLoads(lab);
  const bodyFile = await loads.keepBody('chat.json', chatBody());
  const perSecond = new Map([hub, fastify].map((subject) => [subject, [] as number[]]));
  for (const subject of perSecond.keys())
    await loads.closed(subject, { bodyFile, connections: CONNECTIONS, seconds: quick ? seconds : WARM_UP_SECONDS });
  for (let round = 1; round <= rounds; round++) {
    for (const [subject, seen] of perSecond) {
      if (!quick) await untilQuiet();
      const { requestsPerSecond, errors } = await loads.closed(subject, {
        bodyFile,
        connections: CONNECTIONS,
        seconds,
      });
      if (errors > 0) throw new Error(`${subject.name} failed ${errors} requests.`);
      seen.push(requestsPerSecond);
      progress(`round ${round} of ${rounds}: ${subject.name}, ${Math.round(requestsPerSecond)} a second`);
    }
  }
  const ratio = medianRatio(perSecond.get(hub) ?? [], perSecond.get(fastify) ?? []);
  return { ratio, lost: await recordsLost(hub) };
}
