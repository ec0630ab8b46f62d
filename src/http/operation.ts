/**
 * What an HTTP operation is: one value that holds its path, access, schemas, words for the documentation and its handler. The
 * server, the OpenAPI document and the tests over every endpoint are all made from the list of these.
 */
import type { Static, TSchema } from 'typebox';
import type { Clock } from '#core/clock';
import { CallerError, InvariantError } from '#core/errors';
import type { Agents, AgentStore } from '#contract/agents';
import type { BreakerControl } from '#contract/breakers';
import type { CacheControl } from '#contract/cache-control';
import type { Contents } from '#contract/content';
import type { ConversationStore } from '#contract/conversations';
import type { External } from '#contract/external';
import type { Caller, Gateway, RunReader } from '#contract/gateway';
import type { Health } from '#contract/health';
import type { Idempotency } from '#contract/idempotency';
import type { Instances } from '#contract/instances';
import type { Keys } from '#contract/keys';
import type { Limits } from '#contract/limits';
import type { Logger } from '#contract/logger';
import type { Memory } from '#contract/memory';
import type { PerformanceReport } from '#contract/performance';
import type { AuditStore, UsageStore } from '#contract/stores';
import type { Access } from './guard.ts';
import type { Answer } from './answer.ts';
import type { Precompressed } from './compression.ts';
import type { Assets } from './page.ts';
import type { RequestContext } from './request-context.ts';
import { compileCheck, Findings } from './validation.ts';

/** The rooms below, through their ports. */
export interface Ports {
  readonly gateway: Gateway;
  readonly runs: RunReader;
  readonly contents: Contents;
  readonly keys: Keys;
  readonly idempotency: Idempotency;
  readonly usage: Pick<UsageStore, 'report'>;
  readonly audit: AuditStore;
  readonly external: External;
  readonly agents: Agents;
  readonly agentStore: AgentStore;
  readonly conversations: ConversationStore;
  readonly memory: Memory;
  readonly breakers: BreakerControl;
  readonly cache: CacheControl;
  readonly limits: Pick<Limits, 'report'>;
  readonly health: Health;
  readonly instances: Instances;
  readonly performance: () => PerformanceReport;
  readonly metrics: () => Promise<{ contentType: string; body: string }>;
  readonly logger: Logger;
  readonly clock: Clock;
}

/** What handlers may use. */
export interface Services extends Ports {
  readonly assets: Assets;
  readonly openApi: Precompressed;
  readonly asyncApi: Precompressed;
}

export interface ResponseDoc {
  readonly description: string;
  /** Absent: no body, or one that is not JSON. */
  readonly schema?: TSchema;
  readonly example?: unknown;
  readonly contentType?: string;
  /** Comes as server-sent events where the caller asks for a stream. */
  readonly streams?: boolean;
}

interface Documented {
  /** Unique; generated clients name their method so. */
  readonly id: string;
  readonly method: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE';
  /** As OpenAPI writes it. A parameter marked `{name+}` takes the rest of the path, slashes included. */
  readonly path: string;
  readonly access: Access;
  readonly tag: string;
  readonly summary: string;
  readonly description: string;
  readonly responses: Readonly<Record<number, ResponseDoc>>;
  readonly bodyExample?: unknown;
  /** Takes bytes, which its handler reads with `readBody`, of this type or of any; not together with `body`. */
  readonly takesBytes?: boolean | string;
  /** Request headers that it reads, by name in small letters. Whoever reads one checks it. */
  readonly headers?: Readonly<Record<string, TSchema>>;
  /** Honours `Idempotency-Key`: it does something that must not be done twice. `unkept`: and its answer holds a secret, so nobody gets it again. */
  readonly idempotent?: boolean | 'unkept';
  /** Pages and their files are not part of the API's description. */
  readonly hidden?: boolean;
  /** Answers even when the instance is full: probes must tell load from death. */
  readonly alwaysAdmitted?: boolean;
  /** More of what is under way already, such as the rest of a stream: turned away last. */
  readonly continues?: boolean;
}

interface Spec<P extends TSchema, Q extends TSchema, B extends TSchema> extends Documented {
  readonly params?: P;
  readonly query?: Q;
  readonly body?: B;
  handle(
    input: { params: Static<P>; query: Static<Q>; body: Static<B>; context: RequestContext },
    services: Services,
  ): Promise<Answer> | Answer;
}

/** What came, before it is checked. */
export interface RawInput {
  readonly params: unknown;
  readonly query: unknown;
  readonly body: unknown;
  /** It was found to fit before, and is frozen. */
  readonly isBodyKnown?: boolean;
}

export interface Operation extends Documented {
  readonly params: TSchema | undefined;
  readonly query: TSchema | undefined;
  readonly body: TSchema | undefined;
  /** Compiles the schemas; once a server. The result throws `InvalidInput` with the problems of all parts. */
  prepare(services: Services): (input: RawInput, context: RequestContext) => Promise<Answer> | Answer;
}

export function defineOperation<P extends TSchema, Q extends TSchema, B extends TSchema>(
  spec: Spec<P, Q, B>,
): Operation {
  return {
    ...spec,
    params: spec.params,
    query: spec.query,
    body: spec.body,
    prepare(services) {
      const checkParams = compileCheck(spec.params, 'path');
      const checkQuery = compileCheck(spec.query, 'query');
      const checkBody = compileCheck(spec.body, 'body');
      return ({ params, query, body, isBodyKnown }, context) => {
        const findings = new Findings();
        const paramsFit = checkParams(params, findings);
        const queryFits = checkQuery(query, findings);
        const bodyFits = checkBody(body, findings, isBodyKnown);
        if (!paramsFit || !queryFits || !bodyFits) throw findings.toError();
        return spec.handle({ params, query, body, context }, services);
      };
    },
  };
}

/** The caller of an operation whose access names scopes. */
export function callerOf(context: RequestContext): Caller {
  if (context.caller === null) throw new InvariantError(`${context.route} runs without a caller`);
  return context.caller;
}

/** Who did it, for the audit: a key's id, `local` in keyless mode, `cli` by the local socket. */
export function actorOf(context: RequestContext): string {
  return context.local ? 'cli' : (callerOf(context).keyId ?? 'local');
}

export function notFound(what: string): CallerError {
  return new CallerError('not_found', what);
}
