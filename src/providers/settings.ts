/** The settings that mean the same in every kind that calls an upstream, so that they are bounded and described alike. */
import { Type } from 'typebox';
import { limits } from '#core/limits';
import { CONNECTIONS_DEFAULT } from './upstream.ts';

/** `otherwise` says, as a sentence, where the list comes from when it is left out. */
export const modelsSetting = (otherwise: string) =>
  Type.Optional(
    Type.Array(Type.String({ minLength: 1, maxLength: limits.modelNameCharsMax }), {
      maxItems: 1000,
      description: `The models it offers. ${otherwise}`,
    }),
  );

export const maxConnectionsSetting = Type.Optional(
  Type.Integer({
    minimum: 1,
    maximum: 10_000,
    default: CONNECTIONS_DEFAULT,
    description: 'Connections held to it at most; requests beyond that wait for one.',
  }),
);
