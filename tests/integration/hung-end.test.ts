/** The end of a hub whose PostgreSQL hangs in the middle of a statement: it holds nobody for long, and says what was lost. */
import assert from 'node:assert/strict';
import { it } from 'node:test';
import { startHubProcess } from '../helpers/hub-process.ts';
import { startPostgres } from '../helpers/postgres.ts';

/** A statement may take so long: far beyond what the end of a hub may. */
const STATEMENT_MS = 300_000;

it('a hub ends with 0 where its database hangs, long before a statement does, and says which runs are lost', async (t) => {
  const postgres = await startPostgres();
  t.after(() => postgres.close());
  const hub = await startHubProcess(t, {
    config: {
      storage: { url: postgres.url, pool: { statementTimeoutMs: STATEMENT_MS } },
      server: { shutdownGraceMs: 0 },
    },
  });
  const chat = async (): Promise<void> => {
    const answer = await fetch(`${hub.url}/v1/chat/completions`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ model: 'simulator/chat', messages: [{ role: 'user', content: 'Are you there?' }] }),
    });
    assert.equal(answer.status, 200);
    await answer.text();
  };
  await chat();
  postgres.stop();
  t.after(() => postgres.cont());
  await chat();
  const begun = performance.now();
  assert.equal(await hub.end('SIGTERM'), 0, hub.output());
  assert.ok(performance.now() - begun < STATEMENT_MS / 10, 'it waited for a statement');
  assert.match(hub.output(), /"runs-lost"[^\n]*"count":[12][^]*"hub-stopped"/);
});
