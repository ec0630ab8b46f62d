/**
 * The gateway that transports hold, while the one behind it is exchanged at a reload. A request stays with the gateway it began
 * on; a gateway that was replaced is closed once its last request has ended, so that no reload cuts a stream.
 */
import type {
  ChatAnswer,
  ChatCall,
  ChatStream,
  DeploymentStatus,
  EmbedAnswer,
  EmbedCall,
  Gateway,
} from '#contract/gateway';

/** A gateway with what must be closed when it is no longer used. */
export interface GatewayBuild {
  readonly gateway: Gateway;
  /** Where each provider is called. */
  readonly addresses: ReadonlyMap<string, string>;
  close(): Promise<void>;
}

interface Slot {
  readonly build: GatewayBuild;
  inFlight: number;
  retired: (() => void) | undefined;
}

export class GatewaySwitch implements Gateway {
  #slot: Slot;

  constructor(build: GatewayBuild) {
    this.#slot = { build, inFlight: 0, retired: undefined };
  }

  /** Takes effect for the next request; resolves when the old gateway has served its last one and is closed. */
  async replace(build: GatewayBuild): Promise<void> {
    const old = this.#slot;
    this.#slot = { build, inFlight: 0, retired: undefined };
    if (old.inFlight > 0) await new Promise<void>((resolve) => (old.retired = resolve));
    await old.build.close();
  }

  complete(call: ChatCall): Promise<ChatAnswer> {
    return this.#whole((gateway) => gateway.complete(call));
  }

  embed(call: EmbedCall): Promise<EmbedAnswer> {
    return this.#whole((gateway) => gateway.embed(call));
  }

  async stream(call: ChatCall): Promise<ChatStream> {
    const slot = this.#enter();
    try {
      const stream = await slot.build.gateway.stream(call);
      return { summary: stream.summary, events: leaveAtEnd(stream.events, slot) };
    } catch (error) {
      leave(slot);
      throw error;
    }
  }

  models(signal: AbortSignal): ReturnType<Gateway['models']> {
    return this.#slot.build.gateway.models(signal);
  }

  deployments(): readonly DeploymentStatus[] {
    return this.#slot.build.gateway.deployments();
  }

  addresses(): ReadonlyMap<string, string> {
    return this.#slot.build.addresses;
  }

  close(): Promise<void> {
    return this.#slot.build.close();
  }

  async #whole<T>(ask: (gateway: Gateway) => Promise<T>): Promise<T> {
    const slot = this.#enter();
    try {
      return await ask(slot.build.gateway);
    } finally {
      leave(slot);
    }
  }

  #enter(): Slot {
    this.#slot.inFlight++;
    return this.#slot;
  }
}

function leave(slot: Slot): void {
  slot.inFlight--;
  if (slot.inFlight === 0) slot.retired?.();
}

/** The same events; the slot is left once, however the reader ends. Not a generator: one that was never begun runs no `finally`. */
function leaveAtEnd(events: AsyncIterableIterator<string>, slot: Slot): AsyncIterableIterator<string> {
  let left = false;
  const end = (): void => {
    if (!left) leave(slot);
    left = true;
  };
  return {
    [Symbol.asyncIterator]() {
      return this;
    },
    async next() {
      try {
        const result = await events.next();
        if (result.done === true) end();
        return result;
      } catch (error) {
        end();
        throw error;
      }
    },
    async return() {
      try {
        await events.return?.();
      } finally {
        end();
      }
      return { done: true, value: undefined };
    },
  };
}
