/**
 * What a caller wishes for one call, held against the route: deployments that it names must be the route's own, so that nobody chooses
 * a target which the operator did not. Gives a route of the same deployments, in the order asked for.
 */
import { CallerError } from '#core/errors';
import type { CallPreferences, CallTimeouts } from '#contract/gateway';
import type { Choice, Route } from './route.ts';

/** The route as this caller wants it; the very same where nothing is wished. Throws `CallerError` for a name that is not in it. */
export function preferredRoute(route: Route, preferences: CallPreferences | undefined): Route {
  if (preferences === undefined) return route;
  const { order, only } = preferences;
  let { groups } = route;
  if (only !== undefined) {
    requireKnown(route, only, 'x-revoagent-only');
    groups = groups.map((group) => group.filter((choice) => only.some((name) => isMeant(choice, name))));
  }
  if (order !== undefined) {
    requireKnown(route, order, 'x-revoagent-order');
    const rankOf = (choice: Choice): number => {
      const rank = order.findIndex((name) => isMeant(choice, name));
      return rank === -1 ? order.length : rank;
    };
    const first = order.map((_, rank) => groups.flat().filter((choice) => rankOf(choice) === rank));
    groups = [...first, ...groups.map((group) => group.filter((choice) => rankOf(choice) === order.length))];
  }
  return groups === route.groups ? route : { ...route, groups: groups.filter((group) => group.length > 0) };
}

/** The route's timers, then the deployment's, then the caller's: the later ones win. */
export function timeoutsFor(
  defaults: CallTimeouts,
  ...wishes: readonly ({ readonly [Name in keyof CallTimeouts]?: number | undefined } | undefined)[]
): CallTimeouts {
  let timeouts = defaults;
  for (const wish of wishes) {
    if (wish === undefined) continue;
    timeouts = {
      connectMs: wish.connectMs ?? timeouts.connectMs,
      firstTokenMs: wish.firstTokenMs ?? timeouts.firstTokenMs,
      idleMs: wish.idleMs ?? timeouts.idleMs,
      totalMs: wish.totalMs ?? timeouts.totalMs,
    };
  }
  return timeouts;
}

function isMeant({ deployment }: Choice, name: string): boolean {
  return deployment.id === name || deployment.provider.name === name;
}

function requireKnown({ name, groups }: Route, wanted: readonly string[], header: string): void {
  const choices = groups.flat();
  const unknown = wanted.find((each) => !choices.some((choice) => isMeant(choice, each)));
  if (unknown === undefined) return;
  const known = [...new Set(choices.map(({ deployment }) => deployment.id))].join(', ');
  throw new CallerError(
    'bad_request',
    `${header} names "${unknown}", which the route "${name}" does not have; it has: ${known}.`,
    { param: header },
  );
}
