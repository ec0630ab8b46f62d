/** External APIs behind the limits: a call is a request of its caller's, under way until its answer has been read. */
import type { Clock } from '#core/clock';
import { newId } from '#core/ids';
import type { External, ExternalAnswer, ExternalCall } from '#contract/external';
import type { Limits } from '#contract/limits';
import { LimitExceededError } from '#contract/limits';
import { leaveAtEnd } from './exchangeable.ts';

/** An external API among the routes of the configuration. */
const ROUTE = 'external:';
const NOTHING = { tokens: 0, microUsd: 0 };

export function limitedExternal(external: External, limits: Limits, clock: Clock): External {
  return {
    list: () => external.list(),
    async call(call) {
      const { name, caller, onLimits } = call;
      const id = newId('run', clock.wallMs());
      const subjects = { caller, agent: null, route: ROUTE + name };
      const admission = await limits.admit({ ...subjects, id, estimate: () => NOTHING })?.catch((thrown: unknown) => {
        if (thrown instanceof LimitExceededError) onLimits?.(thrown.standings, thrown.limit);
        throw thrown;
      });
      if (admission === undefined) return external.call(call);
      onLimits?.(admission.standings);
      return held(external, call, () => admission.settle(NOTHING));
    },
  };
}

async function held(external: External, call: ExternalCall, leave: () => void): Promise<ExternalAnswer> {
  try {
    const { body, ...answer } = await external.call(call);
    return { ...answer, body: leaveAtEnd(body, leave) };
  } catch (error) {
    leave();
    throw error;
  }
}
