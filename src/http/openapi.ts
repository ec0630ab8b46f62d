/**
 * The OpenAPI 3.1 document, made from the operations: what it says is what is checked. `/openapi.json`, `/docs` and
 * `schema/openapi.json` all show this one.
 */
import type { TSchema } from 'typebox';
import { presentations } from './errors/presentation.ts';
import { idempotencyHeader } from './idempotency.ts';
import type { Operation, ResponseDoc } from './operation.ts';
import { publicPath } from './paths.ts';
import { ANTHROPIC_VERSION, surfaceOf } from './request-context.ts';
import { standingSchema } from './wire/limit.ts';

const TAGS = [
  { name: 'OpenAI-compatible', description: 'For clients that speak OpenAI’s API. Errors have OpenAI’s form.' },
  {
    name: 'Anthropic-compatible',
    description: 'For clients that speak Anthropic’s API. Errors have Anthropic’s form.',
  },
  {
    name: 'Chat',
    description: 'The hub’s own form of a chat. Errors are problem+json (RFC 9457), here and everywhere below.',
  },
  { name: 'Agents', description: 'Instructions, a model, tools and a memory under one name.' },
  { name: 'Conversations', description: 'What was said in turns, kept by project.' },
  { name: 'Memories', description: 'Facts that agents keep and recall.' },
  { name: 'External APIs', description: 'Other HTTP APIs, called with credentials that only the hub holds.' },
  { name: 'Runs', description: 'What happened to a request.' },
  { name: 'Circuit breakers', description: 'What protects every outbound call.' },
  {
    name: 'Keys',
    description: 'Who may come in. Until the first key exists, the hub serves its own machine without one.',
  },
  { name: 'Limits', description: 'What a key, its project and its organisation may have, and what is left of it.' },
  { name: 'Operations', description: 'For those who run it.' },
] as const;

type Json = Record<string, unknown>;

export function openApiDocument(operations: readonly Operation[], version: string): Json {
  const paths: Record<string, Json> = {};
  for (const operation of operations) {
    if (operation.hidden === true) continue;
    const path = (paths[publicPath(operation.path)] ??= {});
    path[operation.method.toLowerCase()] = operationObject(operation);
  }
  return {
    openapi: '3.1.0',
    info: {
      title: 'reVoAgent',
      version,
      summary: 'The API hub that keeps AI agents online.',
      description:
        'One API in front of model providers; every upstream call goes through a circuit breaker. Every error has a code, told in docs/errors.md.',
      license: { name: 'MIT', identifier: 'MIT' },
    },
    servers: [{ url: '/', description: 'This hub.' }],
    tags: TAGS,
    paths,
    components: {
      securitySchemes: {
        bearer: { type: 'http', scheme: 'bearer', description: 'A key `rvk_…`. Not needed while no key exists.' },
        header: { type: 'apiKey', in: 'header', name: 'x-api-key', description: 'The same key.' },
      },
      schemas: { Problem: problemSchema, OpenAiError: openAiErrorSchema, AnthropicError: anthropicErrorSchema },
    },
  };
}

function operationObject(operation: Operation): Json {
  const { id, tag, summary, description, access, params, query, body, bodyExample, takesBytes, responses } = operation;
  const headers = { ...operation.headers, ...(operation.idempotent === undefined ? {} : idempotencyHeader) };
  const documented = Object.entries(responses).map(([status, response]) => [status, responseObject(response)] as const);
  return {
    operationId: id,
    tags: [tag],
    summary,
    description: Array.isArray(access)
      ? `${description}\n\nScope: ${access.map((scope) => `\`${scope}\``).join(' or ')}.`
      : description,
    ...(access === 'open' ? { security: [] } : { security: [{ bearer: [] }, { header: [] }, {}] }),
    parameters: [...parameters(params, 'path'), ...parameters(query, 'query'), ...headerParameters(headers)],
    ...(body === undefined
      ? {}
      : { requestBody: { required: true, content: { 'application/json': { schema: body, example: bodyExample } } } }),
    ...(takesBytes === true ? { requestBody: { required: false, content: { '*/*': {} } } } : {}),
    ...(typeof takesBytes === 'string'
      ? {
          requestBody: {
            required: true,
            content: { [takesBytes]: { schema: { type: 'string' }, example: bodyExample } },
          },
        }
      : {}),
    responses: { ...Object.fromEntries(documented), default: errorResponse(operation) },
  };
}

function responseObject({
  description,
  schema,
  example,
  contentType = 'application/json',
  streams,
}: ResponseDoc): Json {
  const content = { ...(schema === undefined ? {} : { schema }), ...(example === undefined ? {} : { example }) };
  const events = streams === true ? { 'text/event-stream': { schema: { type: 'string' } } } : {};
  return { description, content: { [contentType]: content, ...events } };
}

function parameters(schema: TSchema | undefined, place: 'path' | 'query'): Json[] {
  if (
    schema === undefined ||
    !('properties' in schema) ||
    typeof schema.properties !== 'object' ||
    schema.properties === null
  )
    return [];
  const required: readonly unknown[] = 'required' in schema && Array.isArray(schema.required) ? schema.required : [];
  return Object.entries(schema.properties).map(([name, property]: [string, unknown]) => ({
    name,
    in: place,
    required: required.includes(name),
    ...described(property),
  }));
}

function headerParameters(headers: Operation['headers'] = {}): Json[] {
  return Object.entries(headers).map(([name, schema]) => ({
    name,
    in: 'header',
    required: false,
    ...described(schema),
  }));
}

/** OpenAPI wants a parameter's description and examples beside its schema. */
function described(property: unknown): Json {
  if (typeof property !== 'object' || property === null) return {};
  const {
    description,
    examples,
    patternMeaning: _words,
    ...schema
  } = { description: undefined, examples: undefined, patternMeaning: undefined, ...property };
  const example: unknown = Array.isArray(examples) ? examples[0] : undefined;
  return {
    ...(description === undefined ? {} : { description }),
    ...(example === undefined ? {} : { example }),
    schema,
  };
}

const OPENAI_ERROR = { $ref: '#/components/schemas/OpenAiError' };
const ANTHROPIC_ERROR = { $ref: '#/components/schemas/AnthropicError' };

function errorResponse({ path, headers }: Operation): Json {
  const openai = path.startsWith('/v1/');
  const anthropic = surfaceOf(path, {}) === 'anthropic';
  const { status, title, openaiType, openaiCode } = presentations.invalid_body;
  const detail = 'model is required.';
  return {
    description: 'An error, in the form of this surface. `Retry-After` says how long to wait where that helps.',
    content: anthropic
      ? {
          'application/json': {
            schema: ANTHROPIC_ERROR,
            example: {
              type: 'error',
              error: { type: 'invalid_request_error', message: detail },
              request_id: 'req_01k3v9zq6x8m2f4t7w1c5r9hjd',
            },
          },
        }
      : openai
        ? {
            'application/json': {
              // Those of both vendors answer in the form of whose client asks.
              schema:
                headers?.[ANTHROPIC_VERSION] === undefined ? OPENAI_ERROR : { anyOf: [OPENAI_ERROR, ANTHROPIC_ERROR] },
              example: { error: { message: detail, type: openaiType, param: 'model', code: openaiCode } },
            },
          }
        : {
            'application/problem+json': {
              schema: { $ref: '#/components/schemas/Problem' },
              example: {
                type: 'urn:revoagent:error:invalid_body',
                title,
                status,
                detail,
                code: 'invalid_body',
                requestId: 'req_01k3v9zq6x8m2f4t7w1c5r9hjd',
              },
            },
          },
  };
}

const problemSchema = {
  type: 'object',
  description: 'RFC 9457.',
  required: ['type', 'title', 'status', 'detail', 'code', 'requestId'],
  properties: {
    type: { type: 'string' },
    title: { type: 'string' },
    status: { type: 'integer' },
    detail: { type: 'string', description: 'What was wrong, where, and what to do.' },
    code: { type: 'string', enum: Object.keys(presentations) },
    requestId: { type: 'string', description: 'As in `x-request-id` and in the log.' },
    runId: { type: 'string', description: 'Where a run began: GET /api/runs/{id} explains it.' },
    param: { type: 'string', description: 'The first input that was wrong.' },
    errors: {
      type: 'array',
      description: 'Every input that was wrong.',
      items: {
        type: 'object',
        properties: { in: { enum: ['path', 'query', 'body'] }, path: { type: 'string' }, message: { type: 'string' } },
      },
    },
    limit: { ...standingSchema, description: 'Which limit the call is over.' },
    upstream: { description: 'The provider’s own error, where the caller needs its reason.' },
  },
};

const anthropicErrorSchema = {
  type: 'object',
  required: ['type', 'error', 'request_id'],
  properties: {
    type: { const: 'error' },
    error: {
      type: 'object',
      required: ['type', 'message'],
      properties: { type: { type: 'string' }, message: { type: 'string' } },
    },
    request_id: { type: 'string', description: 'As in `x-request-id` and in the log.' },
  },
};

const openAiErrorSchema = {
  type: 'object',
  required: ['error'],
  properties: {
    error: {
      type: 'object',
      required: ['message', 'type', 'param', 'code'],
      properties: {
        message: { type: 'string' },
        type: { type: 'string' },
        param: { type: ['string', 'null'] },
        code: { type: ['string', 'null'] },
      },
    },
  },
};
