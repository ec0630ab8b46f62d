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
  {
    module: 'storage/postgres.ts',
    breaker: 'memory',
    why: 'calls of the memory system go through a guard of its own before that of the database',
  },
  {
    module: 'storage/postgres.ts',
    breaker: 'cache:database',
    why: 'the cache puts a breaker of its own before its tier in the database',
  },
  { module: 'storage/pglite-worker.ts', breaker: 'database', why: 'the embedded database runs behind the same guard' },
  {
    module: 'redis/connection.ts',
    breaker: 'cache:redis',
    why: 'every operation goes through the breaker that the cache puts before each of its tiers',
  },
  {
    module: 'exchange/connections.ts',
    breaker: 'traces',
    why: 'spans of traces, in batches behind the requests, where a collector is named',
  },
  {
    module: 'redis/connection.ts',
    breaker: 'state:ledger',
    why: 'the reservation of an attempt goes through it, and is in the journal on disk where it does not answer',
  },
  {
    module: 'redis/connection.ts',
    breaker: 'none',
    why: 'instances and evidence are told and read in the background, once in seconds; no caller waits',
  },
  {
    module: 'redis/connection.ts',
    breaker: 'limits',
    why: 'limits are counted in the Redis for shared state through a breaker of their own, and divided among the instances without it',
  },
  {
    module: 'hub/hub-client.ts',
    breaker: 'none',
    why: 'a command of the CLI asks one hub, once, and ends',
  },
  {
    module: 'stack/probes.ts',
    breaker: 'none',
    why: 'the supervisor of a local stack asks its own parts whether they live; no caller waits for it',
  },
  {
    module: 'stack/figures.ts',
    breaker: 'none',
    why: 'a deploy asks a hub of its own stack, by its local socket, how many of its callers it failed',
  },
  {
    module: 'stack/autoscale.ts',
    breaker: 'none',
    why: "the supervisor asks its own stack's Prometheus every 15 s; without an answer nothing is scaled",
  },
  {
    module: 'stack/check/caller.ts',
    breaker: 'none',
    why: 'a check is a caller of the stack on its own machine: it has to see what callers see',
  },
  {
    module: 'stack/drill/in-process-worker.ts',
    breaker: 'none',
    why: 'a command of drills: speaks to the inspector of a process of its own stack, on loopback',
  },
  {
    module: 'stack/drill/load-worker.ts',
    breaker: 'none',
    why: 'a command of drills: a caller of the stack on its own machine',
  },
  {
    module: 'stack/drill/traffic.ts',
    breaker: 'none',
    why: "the drills' steady callers of the stack on their own machine",
  },
  {
    module: 'stack/drill/watch.ts',
    breaker: 'none',
    why: 'a drill asks Prometheus and Alertmanager of its own stack what fires',
  },
  {
    module: 'stack/control.ts',
    breaker: 'none',
    why: 'a command of the CLI speaks to the supervisor of its own machine, once, and ends',
  },
] as const;
