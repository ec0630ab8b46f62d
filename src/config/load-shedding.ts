/** When an instance turns work away: `server.loadShedding` of the configuration. */
import { Type } from 'typebox';
import type { Static } from 'typebox';
import { ms } from './numbers.ts';

export const loadShedding = Type.Object(
  {
    enabled: Type.Boolean({
      default: true,
      description: 'Whether work that could not be answered in time is turned away with 503.',
    }),
    queueMs: ms(
      1,
      60_000,
      500,
      'How long new work may have to wait until it begins; what would wait longer is turned away.',
    ),
    loopDelayMs: ms(
      1,
      60_000,
      200,
      'A round of the event loop that is too long, when none within a tenth of a second is shorter.',
    ),
    memoryShareMax: Type.Number({
      minimum: 0.1,
      maximum: 1,
      default: 0.9,
      description:
        'Share of the heap, or of what the container may use, from which new work is turned away, until 0.05 less is used. 1: never.',
    }),
  },
  {
    additionalProperties: false,
    description: 'Load shedding: health and operators are always answered, what is under way is turned away last.',
  },
);

export type LoadSheddingConfig = Readonly<Static<typeof loadShedding>>;
