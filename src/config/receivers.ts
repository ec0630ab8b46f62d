/**
 * Who hears of alerts: the file that `revoagent up --receivers` and `revoagent alertmanager` read. By severity, and beside that by
 * service; each by webhook, e-mail, Slack, or several of them.
 */
import { Type } from 'typebox';
import type { TSchema } from 'typebox';
import { check } from './check.ts';
import { readConfigFile } from './file.ts';
import type { Environment } from './file.ts';
import { text } from './numbers.ts';
import { ConfigError } from './problem.ts';

const strict = { additionalProperties: false };
const address = (description: string) => Type.String({ pattern: '^https?://[^/]', description });

const receiver = Type.Object(
  {
    webhook: Type.Optional(
      Type.Object(
        { url: address('An address that takes a POST of Alertmanager: https://example.com/hooks/alerts.') },
        strict,
      ),
    ),
    email: Type.Optional(
      Type.Object(
        {
          to: text('Who gets it; several with commas.'),
          from: text('Who it is from.'),
          smarthost: Type.String({ pattern: '^.+:[0-9]+$', description: 'The mail server: mail.example.com:587.' }),
          username: Type.Optional(text('Who the mail server knows this as.')),
          password: Type.Optional(text('As in ${SMTP_PASSWORD}.')),
          requireTls: Type.Optional(Type.Boolean({ description: 'False: a mail server on this machine.' })),
        },
        strict,
      ),
    ),
    slack: Type.Optional(
      Type.Object(
        {
          url: address('An incoming webhook of Slack, or of what speaks its form: https://hooks.slack.com/services/….'),
          channel: Type.Optional(text('#alerts; by default what the webhook was made for.')),
        },
        strict,
      ),
    ),
  },
  { ...strict, minProperties: 1 },
);

const SERVICES = ['hub', 'upstream', 'cache', 'postgres', 'redis', 'balancer', 'machine', 'monitoring'] as const;

const schema: TSchema = Type.Object(
  {
    critical: Type.Optional(receiver),
    warning: Type.Optional(receiver),
    info: Type.Optional(receiver),
    services: Type.Optional(
      Type.Object(Object.fromEntries(SERVICES.map((name) => [name, Type.Optional(receiver)])), strict),
    ),
  },
  strict,
);

export type Severity = 'critical' | 'warning' | 'info';

export interface Receiver {
  readonly webhook?: { readonly url: string };
  readonly email?: {
    readonly to: string;
    readonly from: string;
    readonly smarthost: string;
    readonly username?: string;
    readonly password?: string;
    readonly requireTls?: boolean;
  };
  readonly slack?: { readonly url: string; readonly channel?: string };
}

/** A severity that has no receiver is shown, and nobody is called. */
export type Receivers = Readonly<Partial<Record<Severity, Receiver>>> & {
  /** Hear of all alerts of the service, beside those who hear of the severity. */
  readonly services?: Readonly<Partial<Record<(typeof SERVICES)[number], Receiver>>>;
};

/** Throws `ConfigError` with all that is wrong; `env` is for `${NAME}` in the file. */
export function loadReceivers(file: string, env: Environment): Receivers {
  const { value, origins, problems } = readConfigFile(file, env);
  if (problems.length > 0) throw new ConfigError(problems);
  const given: unknown = value ?? {};
  const found = check(schema, given, '', (pointer) => origins.get(pointer) ?? file);
  if (found.length > 0) throw new ConfigError(found);
  // It was held against its schema just now.
  return given as Receivers;
}
