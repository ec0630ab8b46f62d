/**
 * Input against its schema: compiled for the good case, explained in full for the bad one. Nothing is coerced, removed or
 * filled in. Every problem is reported at once, with its path, up to a bound; values are never repeated, they may be secret.
 */
import type { Static, TSchema } from 'typebox';
import { Compile } from 'typebox/compile';
import type { Validator } from 'typebox/compile';
import { CallerError } from '#core/errors';
import { explain } from './explain.ts';

export type Part = 'path' | 'query' | 'body';

export interface Issue {
  readonly in: Part;
  /** `messages[2].role`; empty for the whole. */
  readonly path: string;
  readonly message: string;
}

/** A body, query or path that does not match its schema. */
export class InvalidInput extends CallerError {
  readonly issues: readonly Issue[];

  constructor(issues: readonly Issue[], unknownFieldsOnly: boolean) {
    const inBody = issues.every((issue) => issue.in === 'body');
    const texts = issues.map((issue) => `${issue.path === '' ? `the ${issue.in}` : issue.path} ${issue.message}`);
    const param = issues[0]?.path;
    super(
      inBody ? (unknownFieldsOnly ? 'unsupported_field' : 'invalid_body') : 'bad_request',
      `${texts.join('; ')}.`,
      param === undefined || param === '' ? {} : { param },
    );
    this.issues = issues;
  }
}

/** What checks of the parts of one input found. */
export class Findings {
  readonly #issues: Issue[] = [];
  #unknownFieldsOnly = true;

  add(part: Part, found: readonly { path: string; message: string; unknown: boolean }[]): void {
    for (const { path, message, unknown } of found) {
      this.#issues.push({ in: part, path, message });
      this.#unknownFieldsOnly &&= unknown;
    }
  }

  toError(): InvalidInput {
    return new InvalidInput(this.#issues, this.#unknownFieldsOnly);
  }
}

/** `isKnown`: this very value was found to fit before. */
export type Check<S extends TSchema> = (value: unknown, findings: Findings, isKnown?: boolean) => value is Static<S>;

/** Compiled once, at the first input: it costs milliseconds, and of many operations few are asked for. A part without a schema is not looked at. */
export function compileCheck<S extends TSchema>(schema: S | undefined, part: Part): Check<S> {
  if (schema === undefined) return (_value): _value is Static<S> => true;
  let compiled: Validator<{}, S> | undefined;
  return (value, findings, isKnown = false): value is Static<S> => {
    if (isKnown) return true;
    compiled ??= Compile(schema);
    if (compiled.Check(value)) return true;
    findings.add(part, explain(schema, value));
    return false;
  };
}
