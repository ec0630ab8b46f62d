/** Facts as `/api/memories` takes and shows them. */
import { Type } from 'typebox';
import type { Static } from 'typebox';
import { limits } from '#core/limits';
import type { MemoryRecord, MemoryScope } from '#contract/memory';
import { isoTime, strict, timestamp } from './common.ts';

const ID = '[0-9a-hjkmnp-tv-z]{26}';

export const scope = Type.Unsafe<MemoryScope>(
  Type.String({
    pattern: `^(?:project|agent:agt_${ID}|conversation:cnv_${ID})$`,
    patternMeaning: 'must be project, agent:agt_… or conversation:cnv_…',
    description: 'Whose fact: `project`, `agent:<id>` or `conversation:<id>`.',
    examples: ['project'],
  }),
);

export const text = Type.String({
  minLength: 1,
  maxLength: limits.memoryCharsMax,
  description: 'One fact, in a sentence.',
});

export const memorySchema = Type.Object(
  { id: Type.String({ description: 'Sorts by time.' }), scope, text, createdAt: timestamp },
  strict,
);

type MemoryView = Static<typeof memorySchema>;

export function memoryView({ id, scope: whose, text: fact, createdWallMs }: MemoryRecord): MemoryView {
  return { id, scope: whose, text: fact, createdAt: isoTime(createdWallMs) };
}

export const memoryExample = {
  id: 'mem_01k3v9zq6x8m2f4t7w1c5r9hjd',
  scope: 'project',
  text: 'Orders are shipped from Rotterdam.',
  createdAt: '2026-01-01T12:00:00.000Z',
} satisfies MemoryView;

export const memoryParams = Type.Object({
  id: Type.String({ description: 'From `GET /api/memories`.', examples: [memoryExample.id] }),
});

export const NO_SUCH_MEMORY = 'There is no such memory. GET /api/memories lists them.';
