/** The gateway that transports hold, while the one behind it is exchanged at a reload. */
import type { CancelSignal } from '#core/cancel';
import { whenSettled } from '#core/settled';
import type {
  Caller,
  ChatAnswer,
  ChatCall,
  ChatStream,
  DeploymentStatus,
  EmbedAnswer,
  EmbedCall,
  Gateway,
  TokenCount,
} from '#contract/gateway';
import { Exchangeable, leaveAtEnd } from './exchangeable.ts';

/** A gateway with what must be closed when it is no longer used. */
export interface GatewayBuild {
  readonly gateway: Gateway;
  /** Where each provider is called. */
  readonly addresses: ReadonlyMap<string, string>;
  close(): Promise<void>;
}

export class GatewaySwitch extends Exchangeable<GatewayBuild> implements Gateway {
  complete(call: ChatCall): Promise<ChatAnswer> {
    return this.#whole((gateway) => gateway.complete(call));
  }

  embed(call: EmbedCall): Promise<EmbedAnswer> {
    return this.#whole((gateway) => gateway.embed(call));
  }

  countTokens(call: ChatCall): Promise<TokenCount> {
    return this.#whole((gateway) => gateway.countTokens(call));
  }

  async stream(call: ChatCall): Promise<ChatStream> {
    const { part, leave } = this.enter();
    try {
      const stream = await part.gateway.stream(call);
      return { summary: stream.summary, events: leaveAtEnd(stream.events, leave), spent: () => stream.spent() };
    } catch (error) {
      leave();
      throw error;
    }
  }

  models(caller: Caller, signal: CancelSignal): ReturnType<Gateway['models']> {
    return this.current.gateway.models(caller, signal);
  }

  deployments(): readonly DeploymentStatus[] {
    return this.current.gateway.deployments();
  }

  addresses(): ReadonlyMap<string, string> {
    return this.current.addresses;
  }

  #whole<T>(ask: (gateway: Gateway) => Promise<T>): Promise<T> {
    const { part, leave } = this.enter();
    try {
      return whenSettled(ask(part.gateway), leave);
    } catch (error) {
      leave();
      throw error;
    }
  }
}
