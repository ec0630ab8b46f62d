/**
 * Idempotency keys over two hubs on one PostgreSQL and over a kill: an upstream is asked once, whoever the caller asks. The upstream
 * and the database are real, and so is the kill.
 */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import pg from 'pg';
import { startHubProcess } from '../helpers/hub-process.ts';
import { startPostgres } from '../helpers/postgres.ts';
import { answers, neverAnswers, startUpstream, until } from '../helpers/upstream.ts';

const BODY = JSON.stringify({ model: 'm', messages: [{ role: 'user', content: 'The secret question.' }] });

function ask(url: string, key: string): Promise<Response> {
  const headers = { 'content-type': 'application/json', 'idempotency-key': key };
  return fetch(`${url}/v1/chat/completions`, { method: 'POST', headers, body: BODY });
}

async function codeOf(response: Response): Promise<[number, unknown]> {
  return [response.status, Object(Object(await response.json()).error).code];
}

describe('an Idempotency-Key over instances', () => {
  it('is honoured by both, and by the one that is left when the other is killed', async (t) => {
    const postgres = await startPostgres();
    const database = new pg.Client({ connectionString: postgres.url });
    await database.connect();
    t.after(async () => {
      await database.end();
      await postgres.close();
    });
    const upstream = await startUpstream(t);
    const config = {
      storage: { url: postgres.url },
      providers: { one: { kind: 'openai-compatible', baseUrl: upstream.baseUrl } },
    };
    const [first, second] = [await startHubProcess(t, { config }), await startHubProcess(t, { config })];

    upstream.otherwise = answers('All is well.');
    const key = 'done-by-the-first';
    assert.equal((await ask(first.url, key)).status, 200);
    assert.equal((await ask(first.url, key)).headers.get('idempotent-replayed'), 'true');
    assert.deepEqual(await codeOf(await ask(second.url, key)), [409, 'idempotency_answer_not_kept']);
    assert.equal(upstream.received.length, 1);

    upstream.script(neverAnswers);
    const cut = ask(first.url, 'cut-by-a-kill').catch(() => null);
    await until('the upstream is asked', () => upstream.received.length === 2);
    assert.deepEqual(await codeOf(await ask(second.url, 'cut-by-a-kill')), [409, 'idempotency_key_in_use']);
    first.process.kill('SIGKILL');
    assert.equal(await cut, null);
    // The lease of the dead ends; nobody waits half a minute for it here.
    await database.query('update claims set until_ms = 0 where not done');
    assert.equal((await ask(second.url, 'cut-by-a-kill')).status, 200);
    assert.equal(upstream.received.length, 3);

    const { rows } = await database.query('select * from claims');
    assert.ok(rows.length >= 2);
    assert.doesNotMatch(JSON.stringify(rows), /secret question|All is well|cut-by-a-kill/);
  });
});
