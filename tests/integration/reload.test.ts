/** SIGHUP on a real hub: a valid file takes effect without a dropped request, an invalid one changes nothing and says why. */
import assert from 'node:assert/strict';
import { readFile, writeFile } from 'node:fs/promises';
import { describe, it } from 'node:test';
import { startHubProcess, waitFor } from '../helpers/hub-process.ts';
import type { HubProcess } from '../helpers/hub-process.ts';
import { refuses, startUpstream } from '../helpers/upstream.ts';

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
  it('brings a new route into force while requests run, and drops none of them', async (t) => {
    const hub = await startHubProcess(t, {
      config: { ...simulated, routes: { old: { groups: [[{ provider: 'simulator', model: 'chat' }]] } } },
    });
    assert.equal(await status(hub, 'new'), 404);
    const results: number[] = [];
    const stop = new AbortController();
    const load = Array.from({ length: 4 }, async () => {
      while (!stop.signal.aborted) results.push(await status(hub, 'old'));
    });
    await rewrite(hub, (config) => {
      config['routes'] = {
        old: { groups: [[{ provider: 'simulator', model: 'chat' }]] },
        new: { groups: [[{ provider: 'simulator', model: 'chat' }]] },
      };
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

  it('brings another retry budget into force, and names what needs a restart', async (t) => {
    const upstream = await startUpstream(t);
    upstream.otherwise = refuses(500);
    const resilience = { breaker: { failures: 1_000 }, retry: { retries: 1, baseMs: 0 }, retryBudget: 0 };
    const hub = await startHubProcess(t, {
      config: { providers: { up: { kind: 'openai-compatible', baseUrl: upstream.baseUrl } }, resilience },
    });
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
    await waitFor(() => (hub.output().includes('config-reloaded') ? true : null), 60_000, hub.output);
    assert.equal(await attemptsOf(20), 40);
    assert.match(hub.output(), /"needRestart":"resilience\.sharedEvidence"/);
  });

  it('changes nothing when the new file is invalid, and says where and why', async (t) => {
    const hub = await startHubProcess(t, { config: simulated });
    await rewrite(hub, (config) => {
      config['routs'] = {};
    });
    hub.process.kill('SIGHUP');
    await waitFor(() => (/routs[\s\S]*routes/.test(hub.output()) ? true : null), 60_000, hub.output);
    assert.equal(await status(hub, 'simulator/chat'), 200);
  });

  it('tells a refusal as it tells everything: an entry of the log, a count, an act in the audit, and no value of the file', async (t) => {
    const hub = await startHubProcess(t, { config: simulated });
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
