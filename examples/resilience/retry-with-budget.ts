// Retries that help, and that do not make an outage worse.
// Run: npx node -C revoagent-source examples/resilience/retry-with-budget.ts
import { pipeline, RetryBudget } from 'revoagent/resilience';

const budget = new RetryBudget({ ratio: 0.2, reserve: 3 });
const calls = pipeline().deadline(5_000).retry({ attempts: 3, baseMs: 1, idempotent: true, budget }).build();

// One hiccup: nobody notices.
const answer = await calls.execute(({ attempt }) => {
  if (attempt === 1) throw new Error('hiccup');
  return `answered at attempt ${attempt}`;
});
console.log(answer);

// An outage: 100 calls become a few more, not 300.
let requests = 0;
for (let call = 0; call < 100; call++) {
  const outcome = await calls.tryExecute(() => {
    requests++;
    throw new Error('down');
  });
  if (outcome.kind !== 'failed') throw new Error(`unexpected: ${outcome.kind}`);
}
console.log(`100 calls, ${requests} requests`);

// Prints:
// answered at attempt 2
// 100 calls, 123 requests
