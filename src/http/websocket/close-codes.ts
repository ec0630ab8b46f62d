/**
 * Every code the hub closes a WebSocket with, and what a client does about it: the one table for the code, `schema/asyncapi.json`
 * and docs/websocket.md. Codes below 4000 mean what RFC 6455 and its IANA registry say.
 */
export const closeCodes = {
  normal: { code: 1000, meaning: 'The client closed.', action: 'Nothing.' },
  protocol: { code: 1002, meaning: 'A frame broke RFC 6455.', action: 'Mend the client.' },
  unsupported: { code: 1003, meaning: 'A binary message came.', action: 'Send JSON text.' },
  notUtf8: { code: 1007, meaning: 'A text message was not UTF-8.', action: 'Mend the client.' },
  refused: {
    code: 1008,
    meaning: 'Ten messages in a row were no valid ones, each answered with an error; or one came in many tiny frames.',
    action: 'Mend the client.',
  },
  tooLarge: {
    code: 1009,
    meaning: 'A message was larger than `hello.limits.messageBytesMax`.',
    action: 'Send less at once.',
  },
  internal: { code: 1011, meaning: 'The hub failed; its log says why.', action: 'Reconnect after a while.' },
  draining: {
    code: 1012,
    meaning: 'This instance ends. What was not ended before was told an `error` of its own.',
    action: 'Reconnect after the time that `draining` named, and send again the runs that ended in an error.',
  },
  unauthenticated: {
    code: 4401,
    meaning: 'The key is unknown or revoked, or none was sent in time or before much else.',
    action: 'Connect with a valid key.',
  },
  forbidden: { code: 4403, meaning: 'The key lacks the scope `chat`.', action: 'Use a key with that scope.' },
  timeout: {
    code: 4408,
    meaning: 'No message and no run for `hello.limits.idleMs`, or no answer to a ping.',
    action: 'Reconnect when there is something to ask.',
  },
  stalled: {
    code: 4429,
    meaning: 'Answers waited to be read, and none was taken for `hello.limits.stalledMs`.',
    action: 'Read faster, or ask for less at once.',
  },
} as const;

export type CloseKind = keyof typeof closeCodes;
