/**
 * A tool that is one call of an external API. The agent says the API, the method and the path, the model only arguments: each is
 * encoded as one segment of the path, one value of the query or a field of a JSON body, so that none can lead elsewhere. What comes back
 * is bounded, and told to the model with what is missing of it.
 */
import { CallerError } from '#core/errors';
import { limits } from '#core/limits';
import type { ExternalTool } from '#contract/agents';
import type { External, ExternalAnswer, ExternalCall } from '#contract/external';
import type { ToolAnswer, ToolArguments } from './arguments.ts';

const PLACE = /^\{([^{}]+)\}$/;

/** Throws what the API throws: its caller says it to the model. */
export async function callExternal(
  external: External,
  tool: ExternalTool,
  given: ToolArguments,
  call: Pick<ExternalCall, 'signal' | 'traceparent' | 'caller'>,
): Promise<ToolAnswer> {
  const request = requestOf(tool, given);
  if (typeof request === 'string') return { outcome: 'bad_arguments', text: request };
  const { target, body } = request;
  const json = body === null ? {} : { 'content-type': 'application/json' };
  const answer = await external.call({
    name: tool.api,
    method: tool.method,
    target,
    headers: { accept: 'application/json, text/*;q=0.9', ...json },
    body: (bytesMax) => {
      const bytes = Buffer.from(body ?? '');
      if (bytes.length > bytesMax)
        throw new CallerError('body_too_large', `The API takes bodies of up to ${bytesMax} bytes.`);
      return Promise.resolve(bytes);
    },
    ...call,
  });
  return told(answer, await bounded(answer.body));
}

/** The request, or why these arguments make none. */
function requestOf(
  { method, path, query = [] }: ExternalTool,
  given: ToolArguments,
): { readonly target: string; readonly body: string | null } | string {
  const rest = new Map(Object.entries(given));
  const segments: string[] = [];
  for (const segment of path.split('/')) {
    const name = PLACE.exec(segment)?.[1];
    if (name === undefined) {
      segments.push(segment);
      continue;
    }
    const text = segmentOf(given[name]);
    if (text === null)
      return `"${name}" is a part of the path: give a text or a number that is neither empty nor dots.`;
    rest.delete(name);
    segments.push(text);
  }
  const bodiless = method === 'GET';
  const search = new URLSearchParams();
  for (const name of bodiless ? rest.keys() : query) {
    for (const value of [given[name]].flat()) {
      if (value !== undefined && value !== null) search.append(name, queryValue(value));
    }
    rest.delete(name);
  }
  const target = segments.join('/') + (search.size === 0 ? '' : `?${search.toString()}`);
  return { target, body: rest.size === 0 ? null : JSON.stringify(Object.fromEntries(rest)) };
}

function segmentOf(value: unknown): string | null {
  if (typeof value !== 'string' && typeof value !== 'number' && typeof value !== 'boolean') return null;
  const text = String(value);
  return text === '' || text === '.' || text === '..' || !text.isWellFormed() ? null : encodeURIComponent(text);
}

function queryValue(value: unknown): string {
  return typeof value === 'string' ? value : JSON.stringify(value);
}

interface Bounded {
  readonly bytes: Buffer;
  /** There was more than is read. */
  readonly more: boolean;
}

async function bounded(body: AsyncIterable<Uint8Array>): Promise<Bounded> {
  const parts: Uint8Array[] = [];
  let length = 0;
  for await (const part of body) {
    parts.push(part);
    length += part.length;
    // Leaving the loop ends the call: nothing more is read from the target.
    if (length > limits.toolAnswerBytesMax) return { bytes: Buffer.concat(parts), more: true };
  }
  return { bytes: Buffer.concat(parts), more: false };
}

function told({ status, headers }: ExternalAnswer, { bytes, more }: Bounded): ToolAnswer {
  const text = isText(headers['content-type']) ? textOf(bytes, more) : `(${bytes.length} bytes that are no text)`;
  if (status >= 400) return { outcome: 'failed', text: `The call failed with status ${status}.\n${text}` };
  return { outcome: more ? 'oversize' : 'succeeded', text: text === '' ? `(no content, status ${status})` : text };
}

function textOf(bytes: Buffer, more: boolean): string {
  const shown = limits.toolAnswerToModelBytesMax;
  // As one that goes on: what the cut leaves of a character is left out.
  const text = new TextDecoder().decode(bytes.subarray(0, shown), { stream: bytes.length > shown });
  if (bytes.length <= shown) return text;
  const size = more ? `more than ${limits.toolAnswerBytesMax}` : String(bytes.length);
  return `${text}\n(The answer is cut: this is the beginning of ${size} bytes. Ask for less.)`;
}

function isText(contentType: string | string[] | undefined): boolean {
  return contentType === undefined || /^text\/|json|xml|javascript|urlencoded|yaml/i.test(String(contentType));
}
