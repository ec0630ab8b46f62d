/**
 * The one shape of the configuration. Every field has a description, bounds and, where it may be left out, a default: the
 * validator, `config print`, `schema/config.json` and docs/settings.md all read this. A string with `secret: true` becomes a
 * `Secret` when it is loaded. Durations are in milliseconds.
 */
import { Type } from 'typebox';
import type { TSchema } from 'typebox';
import { limits } from '#core/limits';
import type { Secret } from '#core/secret';
import type { ExternalConfig } from './external.ts';
import { loadShedding } from './load-shedding.ts';
import type { LoadSheddingConfig } from './load-shedding.ts';
import { cache } from './cache.ts';
import type { CacheConfig } from './cache.ts';
import { limitsSection } from './limits.ts';
import type { LimitsConfig } from './limits.ts';
import { count, ms, text } from './numbers.ts';
import type { PriceConfig } from './prices.ts';
import { redis } from './redis.ts';
import type { RedisConfig } from './redis.ts';
import type { RouteConfig, TimeoutsConfig } from './routes.ts';
import { telemetry } from './telemetry.ts';
import type { TelemetryConfig } from './telemetry.ts';
import type { WebSocketConfig } from './web-socket.ts';
import { webSocket } from './web-socket.ts';

const strict = { additionalProperties: false };

const server = Type.Object(
  {
    host: text('Address to listen on. Any other than loopback needs a key first.', '127.0.0.1'),
    port: count(0, 65_535, 12_001, 'Port to listen on; 0 takes a free one.'),
    instance: Type.Optional(
      text('Name of this instance in logs, metrics and /health. Left out: host name and process id.'),
    ),
    shutdownGraceMs: ms(0, 3_600_000, 30_000, 'How long requests and streams may go on after SIGTERM.'),
    corsOrigins: Type.Array(text('An origin, as in https://app.example.'), {
      default: [],
      description: 'Origins whose pages may call the hub. None by default.',
    }),
    allowedHosts: Type.Array(text('A host name.'), {
      default: [],
      description: 'Names besides loopback by which a hub without keys may be called.',
    }),
    bodyBytesMax: count(1_024, 1_073_741_824, limits.bodyBytesMax, 'Largest request body, in bytes.'),
    headerBytesMax: count(4_096, 1_048_576, limits.headerBytesMax, 'All headers of a request together, in bytes.'),
    requestReceiveMs: ms(
      1_000,
      3_600_000,
      limits.requestReceiveMs,
      'From the first byte of a request to the last of its body.',
    ),
    requestsInFlightMax: count(
      1,
      100_000,
      limits.requestsInFlightMax,
      'Requests in flight at the same time; one more is told to come back.',
    ),
    compressBytesMin: count(
      0,
      1_073_741_824,
      2_048,
      'Whole answers of so many bytes or more are sent compressed (zstd, brotli, gzip) to callers who accept it; 0: none is.',
    ),
    loadShedding,
    webSocket,
  },
  { ...strict, description: 'Where and how the hub listens.' },
);

const security = Type.Object(
  {
    adminKeyFile: Type.Optional(
      text('A file with a key from "revoagent keys generate", stored as an admin key at start.'),
    ),
  },
  { ...strict, description: 'Keys.' },
);

const pool = Type.Object(
  {
    max: count(1, 500, 10, 'Connections to PostgreSQL at most.'),
    waitMs: ms(50, 60_000, 2_000, 'Longest wait for a connection.'),
    idleMs: ms(1_000, 3_600_000, 30_000, 'An idle connection is closed after this.'),
    statementTimeoutMs: ms(50, 600_000, 2_000, 'Longest time of one statement.'),
    mode: Type.Enum(['session', 'transaction'], {
      default: 'session',
      description:
        'transaction: behind a pooler that lends its connections by transaction, such as pgbouncer; nothing is prepared, and the time of a statement on the server is set there (docs/storage.md).',
    }),
  },
  { ...strict, description: 'Connections to PostgreSQL.' },
);

const storage = Type.Object(
  {
    url: Type.Optional(
      Type.String({
        pattern: '^postgres(ql)?://',
        secret: true,
        description: 'A PostgreSQL to use instead of the embedded database: postgres://user:password@host/name.',
      }),
    ),
    dataDir: text(
      'Folder of the embedded database, the usage journal and the local socket: on a volume, with PostgreSQL too.',
      '.revoagent',
    ),
    pool,
    slowQueryMs: ms(1, 60_000, 200, 'A query that takes longer is logged, without its parameters.'),
    auditRetentionDays: count(1, 36_500, 3_650, 'Entries of the audit log older than this are deleted.'),
    runRetentionDays: count(1, 3_650, 30, 'Run records older than this are deleted.'),
    usageRetentionDays: count(1, 3_650, 400, 'Rows of the usage ledger older than this are deleted.'),
    contentRetentionDays: count(
      1,
      3_650,
      7,
      'What was said in runs of routes that keep it, older than this or than runRetentionDays, is deleted.',
    ),
    usageMonthRetentionDays: count(
      1,
      36_500,
      3_650,
      'Sums of the usage ledger by month are deleted when their month ended longer ago than this; never before its rows.',
    ),
    conversationRetentionDays: count(
      0,
      36_500,
      0,
      'Conversations to which nothing was added for so long are deleted, with their turns and the facts of their own; 0: none is.',
    ),
    memoryRetentionDays: count(0, 36_500, 0, 'Facts that agents keep, older than this, are deleted; 0: none is.'),
    revokedKeyRetentionDays: count(
      1,
      36_500,
      3_650,
      'Keys that were revoked longer ago than this are deleted. Until then a file of security.adminKeyFile that holds one is refused.',
    ),
  },
  { ...strict, description: 'Where keys, runs, the usage ledger and the audit log are kept.' },
);

const resilience = Type.Object(
  {
    breaker: Type.Object(
      {
        failures: count(1, 1_000, 5, 'Failures within the window that open a circuit.'),
        windowMs: ms(1_000, 3_600_000, 30_000, 'The sliding window.'),
        minFailureRate: Type.Number({
          minimum: 0,
          maximum: 1,
          default: 0.1,
          description:
            'Share of failures that is needed as well once the window holds minCalls; 0 makes the count alone decide.',
        }),
        minCalls: count(1, 100_000, 20, 'Calls in the window from which minFailureRate is asked.'),
        openMs: ms(10, 3_600_000, 15_000, 'How long a circuit stays open at first; doubled at each failed probe.'),
        openMsMax: ms(
          10,
          86_400_000,
          30_000,
          'The longest it stays open, so that an upstream that is well again is used again this soon; left out, no less than openMs.',
        ),
      },
      { ...strict, description: 'Circuit breakers, one a deployment and one for the database.' },
    ),
    retry: Type.Object(
      {
        retries: count(0, 3, 2, 'Further attempts at the same deployment.'),
        baseMs: ms(0, 60_000, 100, 'The first wait is drawn from 0 to this; each next doubles it.'),
        maxMs: ms(0, 600_000, 2_000, 'The longest wait.'),
      },
      { ...strict, description: 'Retries of what may be repeated.' },
    ),
    retryBudget: Type.Number({
      minimum: 0,
      maximum: 1,
      default: 0.2,
      description: 'Retries allowed as a share of calls, so that an outage is not multiplied.',
    }),
    sharedEvidence: Type.Enum(['advise', 'any', 'off'], {
      default: 'advise',
      description:
        'What instances with a redis.stateUrl tell each other of upstreams. advise: where a circuit opened at one, one failure opens it at the others. any: it opens at all of them, and one probes for all. In both an exhausted quota and an operator’s orders hold for all.',
    }),
    concurrentMax: count(1, 100_000, 100, 'Calls in flight at one deployment; one more goes elsewhere.'),
    timeouts: Type.Object(
      {
        connectMs: ms(1, 600_000, 5_000, 'Until the request goes out on an open connection.'),
        firstTokenMs: ms(1, 3_600_000, 60_000, 'Until the first content of a stream.'),
        idleMs: ms(1, 3_600_000, 30_000, 'Between two events of a stream.'),
        totalMs: ms(1, 86_400_000, 600_000, 'The whole request, over all attempts.'),
      },
      { ...strict, description: 'The four timers of a call, where a route sets no others.' },
    ),
  },
  { ...strict, description: 'How upstreams are called.' },
);

const logging = Type.Object(
  {
    level: Type.Enum(['debug', 'info', 'warn', 'error'], {
      default: 'info',
      description: 'The least severe entries that are written.',
    }),
    format: Type.Enum(['auto', 'json', 'pretty'], {
      default: 'auto',
      description: 'auto: pretty on a terminal, JSON lines elsewhere.',
    }),
  },
  { ...strict, description: 'The log, on standard error.' },
);

const memory = Type.Object(
  {
    embeddingModel: Type.Optional(
      text(
        'A route or a model that gives embeddings, as in /v1/embeddings, by which facts are found by meaning; always one model behind it. Left out: by words only.',
      ),
    ),
    timeoutMs: ms(100, 60_000, 3_000, 'For one call of the memory; its embedding has half of it.'),
  },
  { ...strict, description: 'Facts that agents keep.' },
);

/** A provider kind as the configuration sees it: the provider room is above this one, so the kinds are handed in. */
export interface KindSchema {
  readonly kind: string;
  readonly settings: TSchema;
}

/** Sections without the providers, whose shape depends on the kinds there are. */
export const sections = {
  server,
  security,
  storage,
  redis,
  cache,
  limits: limitsSection,
  memory,
  resilience,
  logging,
  telemetry,
};

export interface Config {
  readonly server: {
    readonly host: string;
    readonly port: number;
    readonly instance?: string;
    readonly shutdownGraceMs: number;
    readonly corsOrigins: readonly string[];
    readonly allowedHosts: readonly string[];
    readonly bodyBytesMax: number;
    readonly headerBytesMax: number;
    readonly requestReceiveMs: number;
    readonly requestsInFlightMax: number;
    readonly loadShedding: LoadSheddingConfig;
    readonly webSocket: WebSocketConfig;
    readonly compressBytesMin: number;
  };
  readonly security: { readonly adminKeyFile?: string };
  readonly storage: {
    readonly url?: Secret;
    readonly dataDir: string;
    readonly pool: {
      readonly max: number;
      readonly waitMs: number;
      readonly idleMs: number;
      readonly statementTimeoutMs: number;
      readonly mode: 'session' | 'transaction';
    };
    readonly slowQueryMs: number;
    readonly auditRetentionDays: number;
    readonly runRetentionDays: number;
    readonly usageRetentionDays: number;
    readonly contentRetentionDays: number;
    readonly usageMonthRetentionDays: number;
    readonly conversationRetentionDays: number;
    readonly memoryRetentionDays: number;
    readonly revokedKeyRetentionDays: number;
  };
  readonly redis: RedisConfig;
  readonly cache: CacheConfig;
  readonly limits: LimitsConfig;
  readonly memory: { readonly embeddingModel?: string; readonly timeoutMs: number };
  readonly providers: Readonly<Record<string, ProviderConfig>>;
  readonly routes: Readonly<Record<string, RouteConfig>>;
  readonly external: Readonly<Record<string, ExternalConfig>>;
  readonly prices: Readonly<Record<string, PriceConfig>>;
  readonly resilience: {
    readonly breaker: {
      readonly failures: number;
      readonly windowMs: number;
      readonly minFailureRate: number;
      readonly minCalls: number;
      readonly openMs: number;
      readonly openMsMax: number;
    };
    readonly retry: { readonly retries: number; readonly baseMs: number; readonly maxMs: number };
    readonly retryBudget: number;
    readonly sharedEvidence: 'advise' | 'any' | 'off';
    readonly concurrentMax: number;
    readonly timeouts: TimeoutsConfig;
  };
  readonly logging: {
    readonly level: 'debug' | 'info' | 'warn' | 'error';
    readonly format: 'auto' | 'json' | 'pretty';
  };
  readonly telemetry: TelemetryConfig;
}

export interface ProviderConfig {
  readonly kind: string;
  /** The kind's own settings, valid by its schema. */
  readonly settings: Readonly<Record<string, unknown>>;
}

export function propertiesOf(schema: TSchema): Record<string, TSchema> {
  return 'properties' in schema && typeof schema.properties === 'object' && schema.properties !== null
    ? { ...schema.properties }
    : {};
}

/** The configuration as its file says it: a provider's settings beside its kind. */
export function asWritten(config: Config): Record<string, unknown> {
  const providers = Object.entries(config.providers).map(([name, { kind, settings }]) => [name, { kind, ...settings }]);
  return { ...config, providers: Object.fromEntries(providers) };
}
