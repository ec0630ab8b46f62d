/** The room that connects to Redis, for the cache and for what instances share. */
export { createBatch, createConvoy } from './batch.ts';
export { connectRedis } from './connection.ts';
export type { RedisArgument, RedisOptions, RedisPort, RedisTls, Script } from './connection.ts';
export { RedisRefusedError } from './inspection.ts';
export { RedisNotSentError } from './not-sent.ts';
