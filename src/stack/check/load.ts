/**
 * The normal load: so many requests a second at a constant rate, whether or not the earlier ones were answered, so that a stall cannot
 * hide. Six of ten are chats, two are streams, two are reads.
 */
import { messageOf } from '#core/errors';
import type { Answer } from './caller.ts';
import type { Site } from './site.ts';
import { chat, uniqueQuestion } from './site.ts';

export const NORMAL_PER_SECOND = 100;

const KINDS = ['chat', 'read', 'chat', 'stream', 'chat', 'chat', 'read', 'chat', 'stream', 'chat'] as const;
type Kind = (typeof KINDS)[number];

export interface Outcome {
  readonly kind: Kind;
  /** In words; null where all is well. */
  readonly failure: string | null;
  /** What a chat asked. */
  readonly question: string;
}

export interface Load {
  /** Of requests that have ended. */
  readonly outcomes: readonly Outcome[];
  /** Resolves when all that were sent have ended. */
  stop(): Promise<void>;
}

export function startLoad(site: Site, perSecond: number, onAsked: (at: number) => void = () => undefined): Load {
  const { clock } = site;
  const outcomes: Outcome[] = [];
  const open = new Set<Promise<void>>();
  const begun = clock.now();
  let stopped = false;
  let sent = 0;
  const tick = (): void => {
    if (stopped) return;
    for (const due = ((clock.now() - begun) * perSecond) / 1000; sent < due;) {
      const one = ask(site, KINDS[sent++ % KINDS.length] ?? 'chat').then((outcome) => {
        outcomes.push(outcome);
        open.delete(one);
      });
      open.add(one);
      onAsked(sent);
    }
    clock.schedule(TICK_MS, tick, true);
  };
  tick();
  return {
    outcomes,
    async stop() {
      stopped = true;
      await Promise.all(open);
    },
  };
}

const TICK_MS = 5;

async function ask(site: Site, kind: Kind): Promise<Outcome> {
  const question = kind === 'read' ? '' : uniqueQuestion();
  try {
    const answer = await (kind === 'read'
      ? site.caller.ask(`${site.url}/api/models`)
      : chat(site, site.url, question, { stream: kind === 'stream' }));
    return { kind, question, failure: failureOf(kind, answer) };
  } catch (error) {
    return { kind, question, failure: messageOf(error) };
  }
}

function failureOf(kind: Kind, { status, body }: Answer): string | null {
  if (status !== 200) return `${status} ${body.slice(0, 200)}`;
  return kind === 'stream' && !body.includes('data: [DONE]') ? 'a stream that was cut' : null;
}
