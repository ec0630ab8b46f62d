/**
 * Every module that opens a connection to something outside, with the breaker that guards it. The tidy test refuses a network
 * client in a module that is not here, and a test of the running hub refuses a breaker that is here and not registered.
 */
export const outbound = [
  {
    module: 'exchange/connections.ts',
    breaker: 'provider:*',
    why: 'one breaker a deployment, taken by the gateway for every attempt; before the start, a local Ollama is looked for once',
  },
  { module: 'exchange/connections.ts', breaker: 'external:*', why: 'one breaker an external API, for every attempt' },
  {
    module: 'exchange/public-lookup.ts',
    breaker: 'external:*',
    why: 'resolves the names of external APIs, inside the attempt that connects',
  },
  {
    module: 'storage/postgres.ts',
    breaker: 'database',
    why: 'every repository call goes through the guard the hub gives to storage',
  },
  { module: 'storage/pglite-worker.ts', breaker: 'database', why: 'the embedded database runs behind the same guard' },
  {
    module: 'cache/redis/port.ts',
    breaker: 'none',
    why: 'every operation goes through the breaker that the cache puts before each of its tiers; the hub opens none yet',
  },
  {
    module: 'hub/admin.ts',
    breaker: 'none',
    why: 'a command of the CLI asks the hub of its own machine, once, and ends',
  },
] as const;
