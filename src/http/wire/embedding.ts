/** The embedding request of `/v1`: what the hub itself reads is checked, everything else travels on as it came. */
import { Type } from 'typebox';
import { modelName } from './chat.ts';

export const embeddingRequestSchema = Type.Object(
  {
    model: modelName,
    input: Type.Union(
      [
        Type.String({ minLength: 1 }),
        Type.Array(Type.Union([Type.String(), Type.Integer(), Type.Array(Type.Integer())]), { minItems: 1 }),
      ],
      { description: 'A text, or a list of texts; or tokens, where the provider takes them.' },
    ),
    encoding_format: Type.Optional(
      Type.Union([Type.Enum(['float', 'base64']), Type.Null()], {
        description: 'Vectors as numbers, or as 32-bit floats in base64.',
      }),
    ),
    dimensions: Type.Optional(
      Type.Union([Type.Integer({ minimum: 1 }), Type.Null()], { description: 'How long the vectors are to be.' }),
    ),
  },
  { description: 'The OpenAI embedding request. Fields that are not listed here reach the provider unchanged.' },
);
