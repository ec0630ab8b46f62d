/**
 * What the surfaces that word a chat in a form of their own share: a request that cannot be told in the hub's form is refused by the name
 * of the field, and the chunks of a stream become named events.
 */
import { CallerError, UpstreamError } from '#core/errors';
import type { ChatChunk, ChatRequest } from '#contract/chat';
import { UpstreamFailure } from '#contract/provider';
import { isRecord } from '#dialects/json';
import type { StreamForm } from './chat.ts';
import type { StreamEvent } from './sse.ts';

type Fields = Readonly<Record<string, unknown>>;

/** Throws `unsupported_field` with the name of what has no word in the hub's own form. */
export function translated(toChatRequest: () => ChatRequest): ChatRequest {
  try {
    return toChatRequest();
  } catch (thrown) {
    if (!(thrown instanceof UpstreamFailure) || thrown.body === undefined) throw thrown;
    const { message, param } = thrown.body;
    throw new CallerError('unsupported_field', message, typeof param === 'string' ? { param } : {});
  }
}

/** The events of one stream, each with its name as `type`. */
interface EventWriter {
  read(chunk: ChatChunk): readonly Fields[];
  /** After the last chunk of a whole answer. */
  end(): readonly Fields[];
}

export function namedEvents(events: EventWriter): StreamForm {
  return {
    opening: [],
    translate(text) {
      const chunk: unknown = JSON.parse(text);
      if (!isChunk(chunk))
        throw new UpstreamError('upstream_malformed', 'The provider sent an event that is no chunk.');
      // What was sent so far is void, and these forms have no word for that. Comes of an answer that is shared or kept; of a caller's own
      // the gateway is told that it may not begin anew.
      if (isRecord(chunk['revoagent']) && chunk['revoagent']['event'] === 'restart')
        throw new UpstreamError('upstream_cut', 'The answer was cut, and could not be gone on with. Send it again.');
      return events.read(chunk).map(named);
    },
    closing: () => events.end().map(named),
  };
}

export function named(event: Fields): StreamEvent {
  return { event: String(event['type']), data: JSON.stringify(event) };
}

function isChunk(value: unknown): value is ChatChunk & Fields {
  return isRecord(value) && Array.isArray(value['choices']);
}
