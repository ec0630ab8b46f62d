// A fetch that leaves a sick upstream alone: three parts around each call, and an answer to fall back to.
// Run: npx node -C revoagent-source examples/resilience/guarded-fetch.ts
import { createServer } from 'node:http';
import { Breaker, BREAKER_DEFAULTS, pipeline, systemClock, systemRandom, verdictOfStatus } from 'revoagent/resilience';

// An upstream that is down, and can be healed.
let healthy = false;
let requests = 0;
const upstream = createServer((_request, response) => {
  requests++;
  response.writeHead(healthy ? 200 : 503).end(healthy ? 'hello' : 'down');
});
await new Promise<void>((resolve) => upstream.listen(0, '127.0.0.1', resolve));
const address = upstream.address();
if (typeof address !== 'object' || address === null) throw new Error('the upstream does not listen');
const url = `http://127.0.0.1:${address.port}/`;

const breaker = new Breaker(
  'weather',
  { ...BREAKER_DEFAULTS, openMs: 200, jitter: 0 },
  {
    clock: systemClock,
    random: systemRandom,
    onTransition: ({ from, to }) => console.log(`breaker: ${from} → ${to}`),
  },
);
const weather = pipeline({
  judgeValue: (value) => (value instanceof Response ? verdictOfStatus(value.status) : verdictOfStatus(200)),
})
  .fallback(() => new Response('yesterday’s weather'))
  .breaker(breaker)
  .timeout(1_000)
  .build();

async function ask(): Promise<string> {
  const response = await weather.execute(({ signal }) => fetch(url, { signal }));
  return response.text();
}

for (let call = 1; call <= 8; call++) await ask();
console.log(`8 calls, ${requests} requests`);
console.log(await ask());
healthy = true;
await new Promise((resolve) => setTimeout(resolve, 300));
await ask();
console.log(await ask());
upstream.close();

// Prints:
// breaker: closed → open
// 8 calls, 5 requests
// yesterday’s weather
// breaker: open → half_open
// breaker: half_open → closed
// hello
