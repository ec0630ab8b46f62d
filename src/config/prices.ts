/** The `prices` section: what models cost where the hub's own list is wrong or silent. */
import { Type } from 'typebox';

const usd = (description: string) =>
  Type.Number({ minimum: 0, maximum: 100_000, description: `${description} US dollars a million tokens.` });

export const priceSchema = Type.Object(
  {
    inputUsd: usd('Tokens of the prompt.'),
    cachedInputUsd: Type.Optional(
      usd('Those of them that the upstream had cached; left out, they cost what the others do.'),
    ),
    outputUsd: usd('Tokens of the answer.'),
  },
  { additionalProperties: false, description: 'What a deployment costs, before the list that comes with the hub.' },
);

export interface PriceConfig {
  readonly inputUsd: number;
  readonly cachedInputUsd?: number;
  readonly outputUsd: number;
}
