/** The `telemetry` section: where traces go. */
import { Type } from 'typebox';
import type { Secret } from '#core/secret';
import { headerProblems } from './external.ts';
import { ms, text } from './numbers.ts';

const strict = { additionalProperties: false };

export const telemetry = Type.Object(
  {
    traces: Type.Object(
      {
        endpoint: Type.Optional(
          Type.String({
            pattern: '^https?://',
            description:
              'A collector of OpenTelemetry that takes OTLP over HTTP: http://collector:4318/v1/traces. Without a path, /v1/traces is asked. Left out: no traces.',
          }),
        ),
        ratio: Type.Number({
          minimum: 0,
          maximum: 1,
          default: 0.1,
          description:
            'Share of the traces that begin at the hub which is exported. A caller who sends a traceparent has decided for his.',
        }),
        headers: Type.Record(Type.String(), Type.String({ secret: true }), {
          default: {},
          description: 'Sent to the collector, as in Authorization.',
        }),
        serviceName: text('The name of the service in traces.', 'revoagent'),
        timeoutMs: ms(100, 60_000, 5_000, 'For one batch of spans.'),
      },
      { ...strict, description: 'Traces by OpenTelemetry.' },
    ),
  },
  { ...strict, description: 'What the hub tells others of its work, besides /metrics and the log.' },
);

export interface TelemetryConfig {
  readonly traces: {
    readonly endpoint?: string;
    readonly ratio: number;
    readonly headers: Readonly<Record<string, Secret>>;
    readonly serviceName: string;
    readonly timeoutMs: number;
  };
}

/** What the schema cannot say, as pointers below the section. */
export function* telemetryProblems({ traces }: TelemetryConfig): Generator<[pointer: string, message: string]> {
  const { endpoint, headers } = traces;
  if (endpoint !== undefined && !URL.canParse(endpoint)) yield ['/traces/endpoint', 'is no address'];
  else if (endpoint !== undefined && new URL(endpoint).username + new URL(endpoint).password !== '')
    yield ['/traces/endpoint', 'holds a user or a password: give them as traces.headers.Authorization'];
  yield* headerProblems(headers, '/traces/headers');
}
