/**
 * Paths of the vendors' APIs that the hub does not serve, and what to use instead: a client that asks for one is told more than that it is
 * not there. The list in docs/clients.md is made of it.
 */

interface Unserved {
  /** As a vendor writes it, `{id}` for any id; with `/*` also all that lies below. */
  readonly path: string;
  /** Completes "… is not served here; ". */
  readonly instead: string;
}

const CHAT = 'use /v1/chat/completions';
const VENDOR = 'ask the vendor itself';

export const UNSERVED: readonly Unserved[] = [
  { path: '/v1/responses/input_tokens', instead: 'an answer of /v1/responses tells its tokens as usage' },
  { path: '/v1/responses/compact', instead: 'shorten the input yourself' },
  {
    path: '/v1/responses/{id}/*',
    instead: 'the hub keeps no responses: send the whole input again with POST /v1/responses',
  },
  { path: '/v1/conversations/*', instead: 'the hub’s own are /api/agents and /api/conversations' },
  { path: '/v1/completions', instead: CHAT },
  { path: '/v1/messages/batches/*', instead: 'ask one by one with /v1/messages' },
  { path: '/v1/batches/*', instead: 'ask one by one with /v1/chat/completions' },
  { path: '/v1/moderations', instead: 'a guardrail of the route can judge requests and answers' },
  { path: '/v1/audio/*', instead: VENDOR },
  { path: '/v1/images/*', instead: VENDOR },
  { path: '/v1/files/*', instead: VENDOR },
];

/** As they are recognised. */
const PATTERNS = UNSERVED.map(({ path, instead }) => {
  const whole = path.replace(/\/\*$/, '');
  const below = whole === path ? '' : '(?:/.*)?';
  return {
    asked: new RegExp(`^${whole.replace('{id}', '[^/]+')}${below}$`),
    words: `${whole} is not served here; ${instead}.`,
  };
});

/** What to tell who asks for this path; undefined where no vendor has it. */
export function unservedWords(url: string): string | undefined {
  const path = url.split('?', 1)[0] ?? '';
  return PATTERNS.find(({ asked }) => asked.test(path))?.words;
}

/** For `docs/clients.md`. */
export function unservedMarkdown(): string {
  return UNSERVED.map(({ path, instead }) => `- \`${path}\`: ${instead}`).join('\n');
}
