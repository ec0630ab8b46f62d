/** Numbers and texts of the configuration: bounds, default and description in one line each. */
import { Type } from 'typebox';

export const ms = (minimum: number, maximum: number, initial: number, description: string) =>
  Type.Integer({ minimum, maximum, default: initial, description: `${description} Milliseconds.` });
export const count = (minimum: number, maximum: number, initial: number, description: string) =>
  Type.Integer({ minimum, maximum, default: initial, description });
export const text = (description: string, initial?: string) =>
  Type.String({ minLength: 1, description, ...(initial === undefined ? {} : { default: initial }) });
