/**
 * Traces of the hub, where the configuration names a collector: spans go to it over OTLP/HTTP, behind a breaker and a deadline. A collector
 * that is away, hangs or refuses costs its spans, which are counted, and nothing else.
 */
import type { Clock } from '#core/clock';
import { messageOf } from '#core/errors';
import { limits } from '#core/limits';
import type { Logger } from '#contract/logger';
import type { Observer } from '#contract/observer';
import type { Tracing } from '#contract/tracing';
import type { Config } from '#config/index';
import { createConnections } from '#exchange/connections';
import type { BreakerRegistry } from '#resilience/index';
import { otlpBody, rejectedIn } from '#telemetry/traces/otlp';
import type { OtlpSpan } from '#telemetry/traces/otlp';
import { SpanQueue } from '#telemetry/traces/span-queue';
import type { Sent } from '#telemetry/traces/span-queue';
import { createTracing } from '#telemetry/traces/tracing';
import { DEPENDENCY_BREAKER } from './breakers.ts';

export interface TracesParts {
  readonly config: Pick<Config, 'telemetry'>;
  readonly instance: string;
  readonly version: string;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly observer: Pick<Observer, 'spansEnded'>;
  readonly breakers: BreakerRegistry;
}

/** What is not sent at the end within this is dropped. */
const CLOSE_MS = 2_000;
const ANSWER_BYTES_MAX = 64 * 1024;
const RETRY_MS = 5_000;
/** By https://opentelemetry.io/docs/specs/otlp/#retryable-response-codes; any other refusal is for good. */
const RETRYABLE: ReadonlySet<number> = new Set([429, 502, 503, 504]);

/** Undefined where no collector is named. Opens no connection before the first span; closed by the stack. */
export function openTraces(stack: AsyncDisposableStack, parts: TracesParts): Tracing | undefined {
  const { endpoint, ratio } = parts.config.telemetry.traces;
  if (endpoint === undefined) return undefined;
  const { clock, logger, observer } = parts;
  const collector = new Collector(endpoint, parts);
  stack.defer(() => collector.close());
  const queue = new SpanQueue({
    clock,
    logger,
    spansMax: limits.spansWaitingMax,
    send: (spans, signal) => collector.send(spans, signal),
    ended: (how, count) => observer.spansEnded(how, count),
  });
  stack.defer(() => queue.close(CLOSE_MS));
  return createTracing({ clock, ratio, export: (span) => queue.add(span) });
}

class Collector {
  readonly #parts: TracesParts;
  readonly #connections: ReturnType<typeof createConnections>;
  readonly #path: string;
  /** The same reason is told once. */
  #told = '';

  constructor(endpoint: string, parts: TracesParts) {
    const { origin, pathname, search } = new URL(endpoint);
    this.#parts = parts;
    this.#path = (pathname === '/' ? '/v1/traces' : pathname) + search;
    this.#connections = createConnections(origin, 1, parts.clock);
    this.#breaker();
  }

  /** One that is idle for long may be forgotten, and is made anew. */
  #breaker(): ReturnType<BreakerRegistry['get']> {
    return this.#parts.breakers.get('traces', DEPENDENCY_BREAKER);
  }

  async send(spans: readonly OtlpSpan[], signal: AbortSignal): Promise<Sent> {
    const permit = this.#breaker().tryAcquire();
    if (!permit.granted) return { kind: 'later', afterMs: permit.retryAfterMs };
    try {
      const { status, text } = await this.#post(spans, signal);
      if (RETRYABLE.has(status)) {
        permit.failure();
        this.#tell(`It answers ${status}.`);
        return { kind: 'later', afterMs: RETRY_MS };
      }
      permit.success();
      const taken = status >= 200 && status < 300;
      const rejected = taken ? rejectedIn(text) : spans.length;
      this.#tell(taken ? (rejected === 0 ? '' : 'It refuses some spans.') : `It refuses spans with ${status}.`);
      return { kind: 'taken', rejected };
    } catch (error) {
      permit.failure();
      this.#tell(messageOf(error));
      return { kind: 'later', afterMs: RETRY_MS };
    }
  }

  close(): Promise<void> {
    return this.#connections.close();
  }

  async #post(spans: readonly OtlpSpan[], closing: AbortSignal): Promise<{ status: number; text: string }> {
    const { clock, instance, version, config } = this.#parts;
    const { headers, serviceName, timeoutMs } = config.telemetry.traces;
    const deadline = new AbortController();
    const late = new Error(`The collector did not answer within ${timeoutMs} ms.`);
    const timer = clock.schedule(timeoutMs, () => deadline.abort(late));
    const resource = {
      'service.name': serviceName,
      'service.version': version,
      'service.instance.id': instance,
      'telemetry.sdk.name': 'revoagent',
      'telemetry.sdk.language': 'nodejs',
      'telemetry.sdk.version': version,
    };
    try {
      const exchange = await this.#connections.open({
        method: 'POST',
        path: this.#path,
        headers: [
          ...Object.entries(headers).flatMap(([name, value]) => [name, value.reveal()]),
          'content-type',
          'application/json',
        ],
        body: otlpBody(resource, { name: 'revoagent', version }, spans),
        signal: AbortSignal.any([deadline.signal, closing]),
      });
      return { status: exchange.status, text: (await exchange.readSome(ANSWER_BYTES_MAX)).toString('utf8') };
    } finally {
      timer.cancel();
    }
  }

  #tell(reason: string): void {
    if (reason === this.#told) return;
    this.#told = reason;
    if (reason === '') this.#parts.logger.info('trace-collector-back', {});
    else this.#parts.logger.warn('spans-not-sent', { reason });
  }
}
