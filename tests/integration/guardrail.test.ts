/** A guardrail as an operator has one: a file beside the configuration, loaded at the start and at SIGHUP, refused where it is broken. */
import assert from 'node:assert/strict';
import { utimes, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { describe, it } from 'node:test';
import { loadConfig } from '#config/index';
import { providerKinds, startHub } from '#hub/index';
import { startHubProcess, temporaryFolder, waitFor } from '../helpers/hub-process.ts';
import { readyDatabase } from '../helpers/ready-database.ts';

const REFUSES = `export const before = () => ({ action: 'refuse', reason: 'Closed today.' });`;
const ALLOWS = `export const before = () => ({ action: 'allow' });`;

const config = (module: string) => ({
  providers: { simulator: { kind: 'simulator', firstTokenMs: { p50: 0, p95: 0 }, tokensPerSecond: 0 } },
  routes: { m: { groups: [[{ provider: 'simulator', model: 'chat' }]], guardrail: { module, onFailure: 'closed' } } },
});

async function ask(url: string): Promise<[number, string]> {
  const response = await fetch(`${url}/v1/chat/completions`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ model: 'm', messages: [{ role: 'user', content: 'Hi.' }] }),
  });
  return [response.status, await response.text()];
}

describe('a guardrail of the configuration', () => {
  it('judges from the start, is loaded anew at SIGHUP, and stays as it was where the new one is broken', async (t) => {
    const dataDir = await temporaryFolder(t);
    const module = path.join(dataDir, 'guardrail.ts');
    await writeFile(module, REFUSES);
    const hub = await startHubProcess(t, { dataDir, config: config('./guardrail.ts') });
    const [status, text] = await ask(hub.url);
    assert.equal(status, 400);
    assert.match(text, /Closed today\./);

    // A syntax error, then a file that works; each with a time of change of its own.
    await writeFile(module, 'export const before = (');
    await utimes(module, 1, 1);
    hub.process.kill('SIGHUP');
    await waitFor(() => (/stays as it was[\s\S]*guardrail\.ts/.test(hub.output()) ? true : null), 60_000, hub.output);
    assert.equal((await ask(hub.url))[0], 400);

    await writeFile(module, ALLOWS);
    await utimes(module, 2, 2);
    hub.process.kill('SIGHUP');
    await waitFor(async () => ((await ask(hub.url))[0] === 200 ? true : null), 60_000, hub.output);
    const metrics = await (await fetch(`${hub.url}/metrics`)).text();
    assert.match(metrics, /revoagent_guardrail_total\{stage="before",action="refused"[^}]*\} [1-9]/);
  });

  it('that is missing, exports nothing, or is no module ends the start with the file and the reason', async (t) => {
    const folder = await temporaryFolder(t);
    const file = path.join(folder, 'revoagent.json');
    const storage = { dataDir: path.join(folder, 'data') };
    await readyDatabase(storage.dataDir);
    await writeFile(file, JSON.stringify({ ...config('./none.ts'), storage }));
    assert.throws(
      () => loadConfig({ file, kinds: providerKinds, env: {} }),
      /guardrail\.module: there is no file .*none\.ts/,
    );
    for (const [text, reason] of [
      ['export const later = 1;', /none\.ts exports neither before nor after/],
      ['export const before = 1;', /none\.ts exports before, which is no function/],
      ['throw new Error("no licence");', /none\.ts cannot be loaded: no licence/],
    ] as const) {
      await writeFile(path.join(folder, 'none.ts'), text);
      await utimes(path.join(folder, 'none.ts'), text.length, text.length);
      const { config: loaded } = loadConfig({ file, kinds: providerKinds, env: {} });
      await assert.rejects(startHub(loaded, [], { logTo: { write: () => undefined } }), reason);
    }
  });
});
