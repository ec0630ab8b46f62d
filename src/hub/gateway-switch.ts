/** The gateway that transports hold, while the one behind it is exchanged at a reload. */
import type { ChatAnswer, ChatCall, ChatStream, DeploymentStatus, Gateway } from '#contract/gateway';
import { Exchangeable, leaveAtEnd } from './exchangeable.ts';

/** A gateway with what must be closed when it is no longer used. */
export interface GatewayBuild {
  readonly gateway: Gateway;
  /** Where each provider is called. */
  readonly addresses: ReadonlyMap<string, string>;
  close(): Promise<void>;
}

export class GatewaySwitch extends Exchangeable<GatewayBuild> implements Gateway {
  async complete(call: ChatCall): Promise<ChatAnswer> {
    const { part, leave } = this.enter();
    try {
      return await part.gateway.complete(call);
    } finally {
      leave();
    }
  }

  async stream(call: ChatCall): Promise<ChatStream> {
    const { part, leave } = this.enter();
    try {
      const stream = await part.gateway.stream(call);
      return { summary: stream.summary, events: leaveAtEnd(stream.events, leave) };
    } catch (error) {
      leave();
      throw error;
    }
  }

  models(signal: AbortSignal): ReturnType<Gateway['models']> {
    return this.current.gateway.models(signal);
  }

  deployments(): readonly DeploymentStatus[] {
    return this.current.gateway.deployments();
  }

  addresses(): ReadonlyMap<string, string> {
    return this.current.addresses;
  }
}
