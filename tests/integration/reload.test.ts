/** SIGHUP on a real hub: a valid file takes effect without a dropped request, an invalid one changes nothing and says why. */
import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { before, describe, it } from 'node:test';
import { startHubProcess, waitFor } from '../helpers/hub-process.ts';
import type { HubProcess } from '../helpers/hub-process.ts';
import { startPostgres } from '../helpers/postgres.ts';
import type { TestPostgres } from '../helpers/postgres.ts';
import { forTheSuite } from '../helpers/suite.ts';
import { refuses, startUpstream } from '../helpers/upstream.ts';
import type { Upstream } from '../helpers/upstream.ts';

async function rewrite(hub: HubProcess, change: (config: Record<string, unknown>) => void): Promise<void> {
  const config: Record<string, unknown> = JSON.parse(await readFile(hub.configFile, 'utf8'));
  change(config);
  await writeFile(hub.configFile, JSON.stringify(config));
}

async function status(hub: HubProcess, model: string): Promise<number> {
  const response = await fetch(`${hub.url}/v1/chat/completions`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ model, messages: [{ role: 'user', content: 'hi' }] }),
  });
  await response.arrayBuffer();
  return response.status;
}

const simulated = { providers: { simulator: { kind: 'simulator' } } };

describe('SIGHUP', () => {
  const suite = forTheSuite();
  const routes = {
    old: { groups: [[{ provider: 'simulator', model: 'chat' }]] },
    'up/*': { groups: [[{ provider: 'up' }]] },
  };
  const resilience = { breaker: { failures: 1_000 }, retry: { retries: 1, baseMs: 0 }, retryBudget: 0 };
  let postgres: TestPostgres;
  let upstream: Upstream;
  /** Of the tests that each bring a section of their own into force. */
  let shared: HubProcess;
  before(async () => {
    postgres = await startPostgres();
    suite.after(() => postgres.close());
    upstream = await startUpstream(suite);
    upstream.otherwise = refuses(500);
    const { simulator } = simulated.providers;
    shared = await startHubProcess(suite, {
      config: {
        storage: { url: await postgres.createDatabase() },
        providers: { simulator, up: { kind: 'openai-compatible', baseUrl: upstream.baseUrl } },
        routes,
        resilience,
      },
    });
  });

  it('brings a new route into force while requests run, and drops none of them', async () => {
    const hub = shared;
    assert.equal(await status(hub, 'new'), 404);
    const results: number[] = [];
    const stop = new AbortController();
    const load = Array.from({ length: 4 }, async () => {
      while (!stop.signal.aborted) results.push(await status(hub, 'old'));
    });
    await rewrite(hub, (config) => {
      config['routes'] = { ...routes, new: routes.old };
    });
    hub.process.kill('SIGHUP');
    await waitFor(async () => ((await status(hub, 'new')) === 200 ? true : null), 60_000, hub.output);
    stop.abort();
    await Promise.all(load);
    assert.ok(results.length > 0);
    assert.deepEqual(
      results.filter((code) => code !== 200),
      [],
    );
  });

  it('brings another retry budget into force, and names what needs a restart', async () => {
    const hub = shared;
    const attemptsOf = async (calls: number): Promise<number> => {
      const earlier = upstream.received.length;
      for (let call = 0; call < calls; call++) await status(hub, 'up/any');
      return upstream.received.length - earlier;
    };
    assert.equal(await attemptsOf(20), 23, 'the three that any budget grants');
    await rewrite(hub, (config) => {
      config['resilience'] = { ...resilience, retryBudget: 1, sharedEvidence: 'off' };
    });
    hub.process.kill('SIGHUP');
    // Only this reload names one.
    await waitFor(
      () => (/config-reloaded.*"needRestart":"resilience\.sharedEvidence"/.test(hub.output()) ? true : null),
      60_000,
      hub.output,
    );
    assert.equal(await attemptsOf(20), 40);
  });

  it('asked for again while the first is slow leaves the newer file in force', async () => {
    const hub = shared;
    const [began, mayEnd] = ['began', 'may-end'].map((name) => path.join(hub.dataDir, name));
    const module = path.join(hub.dataDir, 'slow.mjs');
    await writeFile(
      module,
      `import { existsSync, writeFileSync } from 'node:fs';
import { setTimeout } from 'node:timers/promises';
writeFileSync(${JSON.stringify(began)}, '');
while (!existsSync(${JSON.stringify(mayEnd)})) await setTimeout(10);
export const before = () => ({ action: 'allow' });
`,
    );
    const reloaded = (): number => hub.output().split('"config-reloaded"').length;
    const earlier = reloaded();
    await rewrite(hub, (config) => {
      config['routes'] = { ...routes, older: { ...routes.old, guardrail: { module, onFailure: 'open' } } };
    });
    hub.process.kill('SIGHUP');
    await waitFor(() => existsSync(began ?? '') || undefined);
    await rewrite(hub, (config) => {
      config['routes'] = { ...routes, newer: routes.old };
    });
    hub.process.kill('SIGHUP');
    // Time for a hub that does not wait to go wrong.
    for (let call = 0; call < 20; call++) await status(hub, 'newer');
    await writeFile(mayEnd ?? '', '');
    await waitFor(() => reloaded() === earlier + 2 || undefined, 60_000, hub.output);
    assert.deepEqual([await status(hub, 'newer'), await status(hub, 'older')], [200, 404]);
  });

  it('changes nothing when the new file is invalid, and tells where and why as it tells everything: an entry of the log, a count, an act in the audit, and no value of the file', async (t) => {
    const storage = { url: await postgres.createDatabase() };
    const hub = await startHubProcess(t, { config: { ...simulated, storage } });
    const good = await readFile(hub.configFile, 'utf8');
    const counts = async (): Promise<string[]> => {
      const text = await (await fetch(`${hub.url}/metrics`)).text();
      return text.split('\n').filter((line) => line.startsWith('revoagent_config_reloads_total'));
    };
    const entries = (): Record<string, unknown>[] =>
      hub
        .output()
        .split('\n')
        // What stands behind the last line end has not come whole.
        .slice(0, -1)
        .map((line) => JSON.parse(line))
        .filter(({ event }) => event === 'config-refused');
    const total = 'revoagent_config_reloads_total{outcome=';
    assert.deepEqual(await counts(), [`${total}"applied"} 0`, `${total}"refused"} 0`]);

    await rewrite(hub, (config) => {
      config['routs'] = { secret: 'sk-never-shown' };
      config['logging'] = { level: 'sk-never-shown' };
    });
    hub.process.kill('SIGHUP');
    await waitFor(() => entries()[0], 60_000, hub.output);
    // What is no YAML at all is quoted by its parser.
    await writeFile(hub.configFile, `${good}\n}sk-never-shown: |sk-never-shown\n`);
    hub.process.kill('SIGHUP');
    await waitFor(() => entries()[1], 60_000, hub.output);
    const [first = {}, second = {}] = entries();
    assert.equal(first['level'], 'error');
    assert.match(String(first['reason']), /stays as it was/);
    assert.match(hub.output(), /routs[\s\S]*routes/);
    assert.equal(await status(hub, 'simulator/chat'), 200);
    for (const told of [/revoagent\.json:1: logging\.level: must be/, /:1: routs: is not known; did you mean/])
      assert.match(JSON.stringify(first['problems']), told);
    assert.match(JSON.stringify(second['problems']), /revoagent\.json:2: Unexpected/);

    await writeFile(hub.configFile, good);
    hub.process.kill('SIGHUP');
    await waitFor(async () => ((await counts())[0]?.endsWith(' 1') === true ? true : null), 60_000, hub.output);
    assert.deepEqual(await counts(), [`${total}"applied"} 1`, `${total}"refused"} 2`]);
    const audit = await (await fetch(`${hub.url}/api/audit?action=config-refused`)).text();
    assert.equal(JSON.parse(audit).data.length, 2);
    assert.match(audit, /"path":"routs"/);
    assert.doesNotMatch(hub.output() + audit, /sk-never-shown/);
  });
});
