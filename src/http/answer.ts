/** What a handler gives back; the pipeline writes it, compressed where it is large and the caller accepts that. */
import type { Precompressed } from './compression.ts';

export type Answer =
  | { readonly kind: 'json'; readonly status: number; readonly body: unknown; readonly headers?: Headers }
  | {
      readonly kind: 'bytes';
      readonly status: number;
      readonly contentType: string;
      readonly bytes: Uint8Array | string | Precompressed;
      /** Names these bytes, where they are likely to be sent again: what they are compressed to is kept under it. */
      readonly keptAs?: string | undefined;
      readonly headers?: Headers;
    }
  /** The handler wrote the response itself. */
  | { readonly kind: 'sent' };

export type Headers = Readonly<Record<string, string>>;

export function json(body: unknown, status = 200): Answer {
  return { kind: 'json', status, body };
}
