/** How a translation says no: it names the field, so that the caller knows what to change and the hub can ask another deployment. */
import { UpstreamFailure } from '#contract/provider';

/** `field`: as a path into the caller's request (`messages[2].name`). */
export function untranslatable(field: string, why: string): UpstreamFailure {
  const message = `${field} ${why}`;
  return new UpstreamFailure('untranslatable', message, {
    body: { message, type: 'invalid_request_error', code: 'unsupported_field', param: field },
  });
}

export type Json = Record<string, unknown>;

export function isRecord(value: unknown): value is Json {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

export function textOf(value: unknown): string {
  return typeof value === 'string' ? value : '';
}

export function countOf(value: unknown): number {
  return typeof value === 'number' && Number.isFinite(value) ? value : 0;
}

/** The fields that are there; `undefined` is no field. */
export function defined(fields: Json): Json {
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined));
}
