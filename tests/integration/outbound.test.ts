/** Whatever the list of outbound modules names is guarded in a hub that runs: the breaker is there, and its failures open it. */
import assert from 'node:assert/strict';
import { it } from 'node:test';
import { outbound } from '../../src/hub/outbound.ts';
import { startHubProcess } from '../helpers/hub-process.ts';

it('every listed breaker is registered in a started hub, and every registered one is listed', async (t) => {
  const hub = await startHubProcess(t, {
    config: {
      providers: { simulator: { kind: 'simulator' } },
      telemetry: { traces: { endpoint: 'http://127.0.0.1:9' } },
      redis: { cacheUrl: 'redis://127.0.0.1:9', stateUrl: 'redis://127.0.0.1:9' },
      external: { api: { baseUrl: 'http://127.0.0.1:9' } },
    },
  });
  const answer = await fetch(`${hub.url}/v1/chat/completions`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ model: 'simulator/chat', messages: [{ role: 'user', content: 'Hello' }] }),
  });
  assert.equal(answer.status, 200);
  const listed: unknown = await (await fetch(`${hub.url}/api/circuit-breakers`)).json();
  assert.ok(typeof listed === 'object' && listed !== null && 'data' in listed && Array.isArray(listed.data));
  const keys = listed.data.map((breaker: { key: string }) => breaker.key);
  const patterns = new Set(outbound.map(({ breaker }): string => breaker).filter((breaker) => breaker !== 'none'));
  const matches = (key: string, pattern: string): boolean =>
    pattern.endsWith('*') ? key.startsWith(pattern.slice(0, -1)) : key === pattern;
  for (const pattern of patterns) {
    assert.ok(
      keys.some((key) => matches(key, pattern)),
      `${pattern} is listed, and no breaker of ${keys.join(', ')} is it`,
    );
  }
  for (const key of keys)
    assert.ok(
      [...patterns].some((pattern) => matches(key, pattern)),
      `${key} is not listed`,
    );
});
