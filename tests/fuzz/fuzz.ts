/**
 * Drives a server with requests made from its own OpenAPI document and a seed, and says what was wrong with any answer: a status that
 * nobody documented, a 5xx, an error or an answer that is not of its schema, a word that must not leave, or no answer in time. Learns
 * ids from answers, and tells which operations never succeeded.
 */
import { request } from 'node:http';
import { Ajv } from 'ajv';
import type { ValidateFunction } from 'ajv';
import { seededRandom } from '#core/random';
import { goodRequest, Known, oddRequest, operationsOf } from './document.ts';
import type { FuzzRequest, Named, Operation } from './document.ts';
import type { Schema } from './values.ts';
import { Chance, isSchema } from './values.ts';

export interface FuzzOptions {
  readonly url: string;
  readonly document: Schema;
  readonly seed: number;
  readonly requests: number;
  /** How often an operation is asked as documented until it succeeds. */
  readonly tries: number;
  readonly headers: Readonly<Record<string, string>>;
  /** An answer must be whole within this. */
  readonly deadlineMs: number;
  /** Texts that must be in no answer. */
  readonly secrets: readonly string[];
  /** What the server has from the start and no operation can take away. */
  readonly given?: readonly Named[];
  /** Ids that must not be used in requests: those of the fuzzer's own key. */
  readonly spared: readonly string[];
  /** Operations that end what the others live on, with what to do after each that succeeded. */
  readonly after?: Readonly<Record<string, (request: FuzzRequest) => Promise<void>>>;
  readonly progress?: (done: number) => void;
}

export interface Finding {
  readonly what: string;
  /** A command that shows it. */
  readonly curl: string;
}

export interface FuzzReport {
  readonly findings: readonly Finding[];
  /** How many answers of each status class. */
  readonly statuses: Readonly<Record<string, number>>;
  /** Operations that never reached a 2xx. */
  readonly never: readonly string[];
}

interface Answer {
  readonly status: number;
  readonly type: string;
  readonly text: string;
}

const LEAKS = [/\bat [\w.<> ]+ \(?(?:file:|node:|\/)[^\s)]+:\d+:\d+/, /node_modules\//, /\/src\/\w+\/[\w-]+\.ts/];

export async function fuzz(options: FuzzOptions): Promise<FuzzReport> {
  const run = new Run(options);
  const operations = operationsOf(options.document);
  // Twice: what one answer tells, another operation needs.
  for (const round of [1, 2])
    for (const operation of operations) await run.reach(operation, operations, round === 1 ? 3 : options.tries);
  for (let done = 0; done < options.requests; done++) {
    await run.once(oddRequest(run.chance.pick(operations), run.known, run.chance));
    options.progress?.(done + 1);
  }
  return run.report(operations);
}

class Run {
  readonly chance: Chance;
  readonly known: Known;
  readonly #options: FuzzOptions;
  readonly #checks: Checks;
  readonly #findings: Finding[] = [];
  readonly #statuses: Record<string, number> = {};
  readonly #reached = new Set<string>();

  constructor(options: FuzzOptions) {
    this.#options = options;
    this.#checks = new Checks(options);
    this.known = new Known(options.given ?? [], options.spared);
    this.chance = new Chance(seededRandom(options.seed));
  }

  /** Asks as documented until it succeeds; where it does not for long, there may be nothing left to act on: it is made anew. */
  async reach(operation: Operation, all: readonly Operation[], tries: number): Promise<void> {
    for (let at = 0; at < tries && !this.#reached.has(operation.id); at++) {
      const makers = at % 20 === 19 ? all.filter(({ id }) => id.startsWith('create')) : [];
      for (const asked of [...makers, operation]) await this.once(goodRequest(asked, this.known, this.chance));
    }
  }

  async once(asked: FuzzRequest): Promise<void> {
    const answer = await send(asked, this.#options);
    const key = typeof answer === 'string' ? 'none' : `${Math.floor(answer.status / 100)}xx`;
    this.#statuses[key] = (this.#statuses[key] ?? 0) + 1;
    const problems = typeof answer === 'string' ? [answer] : this.#checks.problemsOf(asked, answer);
    for (const what of problems)
      this.#findings.push({ what: `${asked.operation.id}: ${what}`, curl: curlOf(asked, this.#options) });
    if (
      typeof answer === 'string' ||
      answer.status > 299 ||
      answer.status < 200 ||
      asked.method !== asked.operation.method
    )
      return;
    this.#reached.add(asked.operation.id);
    this.known.learn(jsonOf(answer));
    await this.#options.after?.[asked.operation.id]?.(asked);
  }

  report(operations: readonly Operation[]): FuzzReport {
    const never = operations.map(({ id }) => id).filter((id) => !this.#reached.has(id));
    return { findings: this.#findings, statuses: this.#statuses, never };
  }
}

class Checks {
  readonly #ajv = new Ajv({ strict: false, allErrors: false, validateFormats: false });
  readonly #validators = new Map<Schema, ValidateFunction>();
  readonly #document: Schema;
  readonly #secrets: readonly string[];

  constructor({ document, secrets }: FuzzOptions) {
    this.#document = document;
    this.#secrets = secrets;
  }

  problemsOf({ operation, method, headers }: FuzzRequest, answer: Answer): string[] {
    const problems: string[] = [];
    const { status, text } = answer;
    // Nothing fails here unless it is made to, so that a documented 5xx is a finding too: but for a deadline that was asked for.
    const asked = status === 504 && 'x-revoagent-timeout-ms' in headers;
    if (status >= 500 && !asked) problems.push(`status ${status}: ${text.slice(0, 300)}`);
    if (LEAKS.some((leak) => leak.test(text))) problems.push(`shows its insides: ${text.slice(0, 300)}`);
    if (this.#secrets.some((secret) => text.includes(secret))) problems.push('tells a secret');
    if (method !== operation.method) return problems;
    const documented = operation.responses[String(status)] ?? operation.responses['default'];
    if (status >= 200 && status < 300 && !(String(status) in operation.responses))
      problems.push(`status ${status}, which is not documented`);
    else if (documented !== undefined) problems.push(...this.#bodyProblems(documented, answer));
    return problems;
  }

  #bodyProblems(response: Schema, answer: Answer): string[] {
    const content = isSchema(response['content']) ? response['content'] : {};
    const type = answer.type.split(';')[0]?.trim() ?? '';
    const described = content[type] ?? content[answer.type];
    const documented = described !== undefined || '*/*' in content || answer.text === '';
    if (answer.status < 300 && !documented) return [`a ${answer.status} as ${type}, which is not documented`];
    // A stream, a page, the bytes of another API: nothing is said of their form.
    if (!isSchema(described) || !isSchema(described['schema']) || !type.endsWith('json')) {
      return answer.status >= 400 && answer.text !== '' && !type.endsWith('json') ? [`an error as ${type}`] : [];
    }
    const value = jsonOf(answer);
    const validate = this.#validator(described['schema']);
    if (value !== undefined && validate(value)) return [];
    const [error] = value === undefined ? [] : (validate.errors ?? []);
    return [
      `a ${answer.status} that is not of its schema (${error?.instancePath ?? ''} ${error?.message ?? 'no JSON'}): ${answer.text.slice(0, 300)}`,
    ];
  }

  #validator(schema: Schema): ValidateFunction {
    let validate = this.#validators.get(schema);
    if (validate === undefined) {
      validate = this.#ajv.compile({ ...schema, components: this.#document['components'] });
      this.#validators.set(schema, validate);
    }
    return validate;
  }
}

/** The answer, or what is wrong with there being none. */
function send({ method, path, headers, body }: FuzzRequest, options: FuzzOptions): Promise<Answer | string> {
  return new Promise((resolve) => {
    const length = body === null ? {} : { 'content-length': String(Buffer.byteLength(body)) };
    const { hostname, port } = new URL(options.url);
    const sent = request(
      // The path as it is: a URL would resolve its dots.
      { hostname, port, path, method, headers: { ...options.headers, ...headers, ...length } },
      (response) => {
        const parts: Buffer[] = [];
        response.on('data', (part: Buffer) => parts.push(part));
        response.on('end', () =>
          resolve({
            status: response.statusCode ?? 0,
            type: response.headers['content-type'] ?? '',
            text: Buffer.concat(parts).toString(),
          }),
        );
        response.on('error', (error) => resolve(`an answer that broke off: ${error.message}`));
      },
    );
    const late = AbortSignal.timeout(options.deadlineMs);
    late.addEventListener('abort', () => {
      resolve(`no whole answer within ${options.deadlineMs} ms`);
      sent.destroy();
    });
    sent.on('error', (error) => resolve(`no answer: ${error.message}`));
    sent.end(body ?? undefined);
  });
}

function jsonOf({ text }: Answer): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function curlOf({ method, path, headers, body }: FuzzRequest, { url }: FuzzOptions): string {
  const quoted = (text: string): string => `'${text.replaceAll("'", String.raw`'\''`)}'`;
  const given = Object.entries(headers).map(([name, value]) => `-H ${quoted(`${name}: ${value}`)}`);
  const data = body === null ? [] : [`--data-binary ${quoted(body)}`];
  const key = '-H "authorization: Bearer $KEY"';
  return ['curl', '--path-as-is', '-X', method, key, ...given, ...data, quoted(url + path)].join(' ');
}
