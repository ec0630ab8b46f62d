/** The external APIs that transports hold, while those behind it are exchanged at a reload. */
import type { External, ExternalAnswer, ExternalCall, ExternalStatus } from '#contract/external';
import type { Externals } from '#external/externals';
import { Exchangeable, leaveAtEnd } from './exchangeable.ts';

export class ExternalSwitch extends Exchangeable<Externals> implements External {
  list(): readonly ExternalStatus[] {
    return this.current.list();
  }

  async call(call: ExternalCall): Promise<ExternalAnswer> {
    const { part, leave } = this.enter();
    try {
      const answer = await part.call(call);
      return { ...answer, body: leaveAtEnd(answer.body, leave) };
    } catch (error) {
      leave();
      throw error;
    }
  }
}
