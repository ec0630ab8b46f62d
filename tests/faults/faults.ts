/** Everything an upstream can do wrong, with what its caller is to be told: the table that the fault tests go through. */
import type { ErrorCode } from '#core/errors';
import { limits } from '#core/limits';
import type { AttemptOutcome } from '#contract/runs';
import {
  answersBody,
  answersHtml,
  answersRaw,
  cutsPlain,
  event,
  neverAnswers,
  refuses,
  resets,
  streams,
} from '../helpers/upstream.ts';
import type { Behaviour } from '../helpers/upstream.ts';

export interface Fault {
  readonly name: string;
  readonly behaviour: Behaviour;
  readonly on: 'both' | 'plain' | 'stream';
  readonly code: ErrorCode;
  readonly outcome: AttemptOutcome;
  /** What the caller of a stream has when it breaks; empty where the fault comes before any content. */
  readonly text?: string;
  /** The clock is moved on by this much once the upstream has the request. */
  readonly waitMs?: number;
}

export const WORDS = ['One', ' two', ' three'];
export const rateLimited = { message: 'Slow down.', type: 'rate_limit_error', code: 'rate_limit_exceeded' };
/** More than the system's buffers take: who sends this much beyond a limit notices that nobody reads on. */
const BEYOND_BUFFERS = 16 * 1024 * 1024;

export const FAULTS: readonly Fault[] = [
  { name: 'status 500', behaviour: refuses(500), on: 'both', code: 'upstream_failed', outcome: 'status' },
  {
    name: 'status 429',
    behaviour: refuses(429, rateLimited),
    on: 'both',
    code: 'upstream_rate_limited',
    outcome: 'status',
  },
  { name: 'status 401', behaviour: refuses(401), on: 'both', code: 'upstream_credentials', outcome: 'status' },
  {
    name: 'a redirect',
    behaviour: refuses(302, {}, { location: 'http://127.0.0.1:1/' }),
    on: 'both',
    code: 'upstream_failed',
    outcome: 'status',
  },
  {
    name: 'a gateway page with status 502',
    behaviour: answersHtml(502),
    on: 'both',
    code: 'upstream_failed',
    outcome: 'status',
  },
  {
    name: 'a page with status 200',
    behaviour: answersHtml(200),
    on: 'both',
    code: 'upstream_malformed',
    outcome: 'malformed',
  },
  {
    name: 'JSON that is no completion',
    behaviour: answersBody({ hello: 1 }),
    on: 'both',
    code: 'upstream_malformed',
    outcome: 'malformed',
  },
  {
    name: 'half of a JSON text, under its own length',
    behaviour: answersRaw('{"id":"chatcmpl-test","object":"chat.completion","choices":[{"index":0,"message":{"role":'),
    on: 'both',
    code: 'upstream_malformed',
    outcome: 'malformed',
  },
  {
    name: 'a compressed answer that nobody asked for',
    behaviour: answersRaw('All is well.', { 'content-encoding': 'gzip' }),
    on: 'both',
    code: 'upstream_malformed',
    outcome: 'malformed',
  },
  {
    name: 'an answer larger than the limit',
    behaviour: answersRaw('x'.repeat(limits.answerBytesMax + BEYOND_BUFFERS)),
    on: 'plain',
    code: 'upstream_malformed',
    outcome: 'oversize',
  },
  {
    name: 'an event larger than the limit',
    behaviour: streams(WORDS, { raw: { 2: `data: ${'x'.repeat(limits.eventBytesMax + BEYOND_BUFFERS)}` } }),
    on: 'stream',
    code: 'upstream_malformed',
    outcome: 'oversize',
    text: 'One two',
  },
  {
    name: 'an error object inside a 200',
    behaviour: answersBody({ error: { message: 'Overloaded.', type: 'server_error' } }),
    on: 'both',
    code: 'upstream_failed',
    outcome: 'reported',
  },
  {
    name: 'a connection reset before headers',
    behaviour: resets,
    on: 'both',
    code: 'upstream_unreachable',
    outcome: 'reset',
  },
  { name: 'a plain answer cut in the middle', behaviour: cutsPlain, on: 'plain', code: 'upstream_cut', outcome: 'cut' },
  {
    name: 'no answer at all, plain',
    behaviour: neverAnswers,
    on: 'plain',
    code: 'upstream_timeout',
    outcome: 'timeout_total',
    waitMs: 600_000,
  },
  {
    name: 'no answer at all, streamed',
    behaviour: neverAnswers,
    on: 'stream',
    code: 'upstream_timeout',
    outcome: 'timeout_first_token',
    waitMs: 60_000,
  },
  {
    name: 'a role and then no first token',
    behaviour: streams([], { ending: 'stall' }),
    on: 'stream',
    code: 'upstream_timeout',
    outcome: 'timeout_first_token',
    waitMs: 60_000,
  },
  {
    name: 'a stream that stalls',
    behaviour: streams(WORDS, { ending: 'stall' }),
    on: 'stream',
    code: 'upstream_timeout',
    outcome: 'timeout_idle',
    text: 'One two three',
    waitMs: 30_000,
  },
  {
    name: 'a stream that is cut',
    behaviour: streams(WORDS, { ending: 'cut' }),
    on: 'stream',
    code: 'upstream_cut',
    outcome: 'cut',
    text: 'One two three',
  },
  {
    name: 'a stream that says it is done without a finish reason',
    behaviour: streams(WORDS, { ending: 'unfinished' }),
    on: 'stream',
    code: 'upstream_cut',
    outcome: 'cut',
    text: 'One two three',
  },
  {
    name: 'a stream cut before any content',
    behaviour: streams([], { ending: 'cut' }),
    on: 'stream',
    code: 'upstream_cut',
    outcome: 'cut',
  },
  {
    name: 'a malformed chunk',
    behaviour: streams(WORDS, { raw: { 2: 'data: {"id": "x", "choi\n\n' } }),
    on: 'stream',
    code: 'upstream_malformed',
    outcome: 'malformed',
    text: 'One two',
  },
  {
    name: 'a malformed first chunk',
    behaviour: streams(WORDS, { raw: { 0: 'data: <html>\n\n' } }),
    on: 'stream',
    code: 'upstream_malformed',
    outcome: 'malformed',
  },
  {
    name: 'an error event first',
    behaviour: streams(WORDS, { raw: { 0: event({ error: { message: 'No.', type: 'server_error' } }) } }),
    on: 'stream',
    code: 'upstream_failed',
    outcome: 'reported',
  },
  {
    name: 'an error event in the middle',
    behaviour: streams(WORDS, { raw: { 2: event({ error: rateLimited }) } }),
    on: 'stream',
    code: 'upstream_rate_limited',
    outcome: 'reported',
    text: 'One two',
  },
];
