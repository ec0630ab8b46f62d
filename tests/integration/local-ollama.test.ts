/** A hub started without any configuration beside an Ollama, as a person starts it: what it says, whom it asks, what a reload keeps. */
import assert from 'node:assert/strict';
import { rm, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { it } from 'node:test';
import type { Cleanup } from '../helpers/suite.ts';
import { runCli, startHubProcess, temporaryFolder, waitFor } from '../helpers/hub-process.ts';
import type { HubProcess } from '../helpers/hub-process.ts';
import { startOllamaUpstream } from '../helpers/ollama-upstream.ts';
import type { OllamaUpstream } from '../helpers/ollama-upstream.ts';

async function startOllama(t: Cleanup): Promise<OllamaUpstream> {
  const ollama = await startOllamaUpstream(t);
  ollama.models = ['llama3.2:1b'];
  return ollama;
}

async function answerOf(hub: HubProcess, model: string): Promise<unknown> {
  const response = await fetch(`${hub.url}/v1/chat/completions`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ model, messages: [{ role: 'user', content: 'Are you well?' }] }),
  });
  const { choices } = JSON.parse(await response.text());
  return [response.status, choices?.[0].message.content];
}

function summaryOf(hub: HubProcess): { providers: unknown; exampleModel: string } {
  const line = hub
    .output()
    .split('\n')
    .find((text) => text.includes('"event":"started"'));
  const { providers, exampleModel } = JSON.parse(line ?? '{}');
  return { providers, exampleModel };
}

it('an Ollama that answers is the provider, is told at the start, and stays one after a reload without it', async (t) => {
  const ollama = await startOllama(t);
  const { origin, reads } = ollama;
  const hub = await startHubProcess(t, { env: { OLLAMA_HOST: origin } });
  assert.deepEqual(reads, ['/api/tags']);
  assert.deepEqual(summaryOf(hub), {
    providers: [
      { name: 'ollama', kind: 'ollama', address: `${origin}/`, because: `it answers at ${origin}` },
      {
        name: 'simulator',
        kind: 'simulator',
        address: 'built in',
        because: 'built in, for who asks for simulator/chat',
      },
    ],
    exampleModel: 'ollama/llama3.2:1b',
  });
  assert.deepEqual(await answerOf(hub, 'ollama/llama3.2:1b'), [200, 'All is well.']);
  assert.deepEqual(
    ollama.received.map((asked) => [asked.path, asked.body['model']]),
    [['/v1/chat/completions', 'llama3.2:1b']],
  );

  ollama.models = [];
  hub.process.kill('SIGHUP');
  await waitFor(() => /config-reloaded/.exec(hub.output()));
  assert.deepEqual(await answerOf(hub, 'llama3.2:1b'), [200, 'All is well.']);
});

it('where nobody listens, the simulator answers, and not a word is said of it', async (t) => {
  const cwd = await temporaryFolder(t);
  const { code, stdout, stderr } = await runCli(['config', 'print'], { cwd, env: { OLLAMA_HOST: '127.0.0.1:1' } });
  assert.deepEqual([code, stderr], [0, '']);
  assert.match(stdout, /routes\.\*\.groups.*simulator/);
  assert.doesNotMatch(stdout, /ollama/i);
});

it('an Ollama beside configured providers is not asked', async (t) => {
  const { origin, reads } = await startOllama(t);
  const cwd = await temporaryFolder(t);
  const env = { OLLAMA_HOST: origin };
  await writeFile(path.join(cwd, 'revoagent.yaml'), 'providers: { mine: { kind: simulator } }');
  const check = async (): Promise<unknown> => {
    const { providers } = JSON.parse((await runCli(['config', 'check', '--json'], { cwd, env })).stdout);
    return providers;
  };
  assert.deepEqual(await check(), ['mine']);
  assert.deepEqual(reads, []);
  await rm(path.join(cwd, 'revoagent.yaml'));
  assert.deepEqual(await check(), ['ollama', 'simulator']);
  assert.deepEqual(reads, ['/api/tags']);
});
