/** The one failure after which it is known that nothing happened: there was nobody to send to, and nothing waits to be sent. */
export class RedisNotSentError extends Error {
  override readonly name: string = 'RedisNotSentError';
}
