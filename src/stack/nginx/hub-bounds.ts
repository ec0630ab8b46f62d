/** What a balancer has to follow of its hubs' configuration, so that it neither cuts what a hub still serves nor refuses what it would take. */
import { limits } from '#core/limits';
import type { Config } from '#config/index';
import type { NginxOptions } from './options.ts';
import { BODY_BYTES_MORE, defaults } from './options.ts';

export type HubBounds = Pick<
  NginxOptions,
  'bodyBytesMax' | 'headerBytesMax' | 'requestsInFlightMax' | 'readTimeoutS' | 'shutdownTimeoutS'
>;

/** What a hub may need after a deadline until its answer is out. */
const ANSWER_MORE_S = 60;
/** A hub that was told to end refuses requests, then has its grace, then closes its stores. */
const SHUTDOWN_MORE_S = 30;
/** A hub's bound is one of memory; of as many at once it serves none fast. */
const BUSY_PART = 4;
/** With an eighth more, where it stands in for others, an instance has not more than its own bound. */
const WITHOUT_STAND_IN = 8 / 9;

/** Fewer requests at once than by default only where a hub takes fewer itself. */
export function hubBounds({ server, resilience, routes, external }: Config): HubBounds {
  const { bodyBytesMax, headerBytesMax, requestsInFlightMax: places, shutdownGraceMs } = server;
  const ofRoutes = Object.values(routes).flatMap((route) => [route, ...route.groups.flat()]);
  const answersMs = [
    // What callers may ask for.
    limits.callerTimeoutMsMax,
    resilience.timeouts.totalMs,
    ...ofRoutes.map(({ timeouts }) => timeouts?.totalMs ?? 0),
    ...Object.values(external).map(({ deadlineMs }) => deadlineMs),
  ];
  const fewer = Math.min(defaults.requestsInFlightMax, Math.floor(places * WITHOUT_STAND_IN));
  return {
    bodyBytesMax: bodyBytesMax + BODY_BYTES_MORE,
    headerBytesMax: Math.max(defaults.headerBytesMax, headerBytesMax),
    requestsInFlightMax: Math.max(1, fewer, Math.floor(places / BUSY_PART)),
    readTimeoutS: secondsOf(Math.max(...answersMs)) + ANSWER_MORE_S,
    shutdownTimeoutS: Math.max(defaults.shutdownTimeoutS, secondsOf(shutdownGraceMs) + SHUTDOWN_MORE_S),
  };
}

function secondsOf(ms: number): number {
  return Math.ceil(ms / 1_000);
}
