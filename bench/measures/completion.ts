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
import type { Subject } from '../servers/subject.ts';
import { medianRatio } from '../statistics.ts';

const CONNECTIONS = 64;
const WARM_UP_SECONDS = 10;

/** Text in a longer request than the usual one: instructions, tools and a few turns come to about that. */
const LONG_TEXT_BYTES = 8 * 1024;

export interface Completion {
  /** Requests a second of the hub / those of Fastify: of a short request, and of one of 8 KiB. */
  readonly ratio: number;
  readonly longRatio: number;
  /** Records of runs that the hub's database was too slow for. */
  readonly lost: number;
}

export async function measureCompletion({ rounds, seconds, quick, progress }: BenchOptions): Promise<Completion> {
  await using lab = await createLab();
  progress('completion from memory: starting the hub, and Fastify with what it answers');
  const upstreamPort = await freePort();
  const upstream = await startNginxUpstream(lab, upstreamPort);
  const hub = await startCachingHub(lab, upstreamPort);
  const bodies = { short: chatBody(), long: chatBody({ textBytes: LONG_TEXT_BYTES }) };
  const kept = await askOnce(hub, bodies.short);
  await askOnce(hub, bodies.long);
  await upstream.stop();
  for (const body of Object.values(bodies)) {
    const again = await askOnce(hub, body);
    if (again.text !== kept.text)
      throw new Error(`The hub did not answer from its cache: ${again.status} ${again.text}`);
  }
  const answerFile = lab.file('answer.json');
  await writeFile(answerFile, kept.text);
  const fastify = await startBareFastify(lab, answerFile);
  const loads = await createLoads(lab);
  const subjects = [hub, fastify];
  const perSecond = { short: subjects.map(() => [] as number[]), long: subjects.map(() => [] as number[]) };
  const files = {
    short: await loads.keepBody('chat.json', bodies.short),
    long: await loads.keepBody('chat-long.json', bodies.long),
  };
  const load = (subject: Subject, bodyFile: string, duration: number) =>
    loads.closed(subject, { bodyFile, connections: CONNECTIONS, seconds: duration });
  for (const subject of subjects) await load(subject, files.short, quick ? seconds : WARM_UP_SECONDS);
  for (let round = 1; round <= rounds; round++) {
    for (const which of ['short', 'long'] as const) {
      for (const [place, subject] of subjects.entries()) {
        if (!quick) await untilQuiet();
        const { requestsPerSecond, errors } = await load(subject, files[which], seconds);
        if (errors > 0) throw new Error(`${subject.name} failed ${errors} requests.`);
        perSecond[which][place]?.push(requestsPerSecond);
        progress(
          `round ${round} of ${rounds}: ${subject.name}, ${which} request, ${Math.round(requestsPerSecond)} a second`,
        );
      }
    }
  }
  const ratioOf = ([ofHub = [], ofFastify = []]: readonly number[][]): number => medianRatio(ofHub, ofFastify);
  return { ratio: ratioOf(perSecond.short), longRatio: ratioOf(perSecond.long), lost: await recordsLost(hub) };
}
