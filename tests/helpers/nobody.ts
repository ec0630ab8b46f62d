/** The port of agents where there are none. */
import { CallerError } from '#core/errors';
import type { Agents } from '#contract/agents';

export const nobody: Agents = {
  async *turn() {
    yield await Promise.reject(new CallerError('not_found', 'There is no agent of this id.'));
  },
};
