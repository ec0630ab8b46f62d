/**
 * What may be stored of a value that was said: no more text than a bound, and for `redacted` nothing that `redact` finds and nothing that
 * it cannot read (pictures, sound, files and where they lie). Looks at a bounded part of the value, so that its time is bounded too.
 */
import { limits } from '#core/limits';
import { redact } from '#core/redact';
import type { ContentPolicy } from '#contract/runs';

/** Longer than anything that `redact` finds by a part of it: what a cut leaves of an address or a number goes with this. */
const CUT_MARGIN = 256;
/** What a number, true, false, null, and a list or an object besides what is in it, counts. */
const VALUE_CHARS = 8;
/** Fields whose text no redactor can read. */
const UNREADABLE: readonly string[] = ['data', 'file_data', 'url'];

export class Keepable {
  truncated = false;
  readonly #redacted: boolean;
  #left = limits.contentCharsMax;

  constructor(policy: ContentPolicy) {
    this.#redacted = policy === 'redacted';
  }

  /** As much of a list as fits, from its end. */
  newest(values: readonly unknown[]): unknown[] {
    const kept: unknown[] = [];
    for (const value of values.toReversed()) if (this.#room()) kept.push(this.of(value));
    return kept.toReversed();
  }

  of(value: unknown, depth = 0): unknown {
    if (typeof value === 'string') return this.#text(value);
    if (typeof value !== 'object' || value === null) return this.#scalar(value);
    if (depth > limits.jsonDepthMax) {
      this.truncated = true;
      return null;
    }
    this.#left -= VALUE_CHARS;
    if (Array.isArray(value)) {
      const items: unknown[] = [];
      for (const item of value) {
        if (!this.#room()) break;
        items.push(this.of(item, depth + 1));
      }
      return items;
    }
    // Names are a stranger's too: `__proto__` must be one among others.
    const fields: Record<string, unknown> = { __proto__: null };
    for (const [name, field] of Object.entries(value)) {
      if (!this.#room()) break;
      const unread = this.#redacted && typeof field === 'string' && UNREADABLE.includes(name);
      fields[this.#text(name)] = unread ? `[${name}]` : this.of(field, depth + 1);
    }
    return fields;
  }

  #room(): boolean {
    if (this.#left > 0) return true;
    this.truncated = true;
    return false;
  }

  #text(text: string): string {
    if (text.length > this.#left) this.truncated = true;
    const kept = this.#head(text).slice(0, Math.max(0, this.#left));
    this.#left -= kept.length + 1;
    return kept;
  }

  #head(text: string): string {
    if (!this.#redacted) return text;
    if (text.length <= this.#left) return redact(text);
    return redact(text.slice(0, Math.max(0, this.#left) + CUT_MARGIN)).slice(0, -CUT_MARGIN);
  }

  #scalar(value: unknown): unknown {
    this.#left -= VALUE_CHARS;
    // A card's number may be a number.
    if (!this.#redacted || typeof value !== 'number') return value;
    const text = redact(String(value));
    return text === String(value) ? value : text;
  }
}
