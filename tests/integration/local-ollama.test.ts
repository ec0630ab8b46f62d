/** A hub started without any configuration beside an Ollama, as a person starts it: what it says, whom it asks, what a reload keeps. */
import assert from 'node:assert/strict';
import { it } from 'node:test';
import type { Cleanup } from '../helpers/suite.ts';
import { startHubProcess, waitFor } from '../helpers/hub-process.ts';
import type { HubProcess } from '../helpers/hub-process.ts';
import { startUpstream } from '../helpers/upstream.ts';
import type { Upstream } from '../helpers/upstream.ts';

async function startOllama(t: Cleanup): Promise<{ ollama: Upstream; origin: string; looks: string[] }> {
  const looks: string[] = [];
  const ollama = await startUpstream(t, (ids, path) => {
    looks.push(path);
    return tagsOf(ids);
  });
  ollama.models = ['llama3.2:1b'];
  return { ollama, origin: new URL(ollama.baseUrl).origin, looks };
}

function tagsOf(ids: readonly string[]): unknown {
  return { models: ids.map((name) => ({ name, modified_at: '2025-01-01T00:00:00Z' })) };
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
  const { ollama, origin, looks } = await startOllama(t);
  const hub = await startHubProcess(t, { env: { OLLAMA_HOST: origin } });
  assert.deepEqual(looks, ['/api/tags']);
  assert.deepEqual(summaryOf(hub), {
    providers: [{ name: 'ollama', kind: 'ollama', address: `${origin}/`, because: `it answers at ${origin}` }],
    exampleModel: 'ollama/llama3.2:1b',
  });
  assert.deepEqual(await answerOf(hub, 'ollama/llama3.2:1b'), [200, 'All is well.']);
  assert.deepEqual(
    ollama.received.map(({ path, body }) => [path, body['model']]),
    [['/v1/chat/completions', 'llama3.2:1b']],
  );

  ollama.models = [];
  hub.process.kill('SIGHUP');
  await waitFor(() => /config-reloaded/.exec(hub.output()));
  assert.deepEqual(await answerOf(hub, 'llama3.2:1b'), [200, 'All is well.']);
});

it('where nobody listens, the simulator answers, and not a word is said of it', async (t) => {
  const hub = await startHubProcess(t);
  assert.equal(summaryOf(hub).exampleModel, 'simulator/chat');
  assert.doesNotMatch(hub.output(), /ollama/i);
});

it('an Ollama beside configured providers is not asked', async (t) => {
  const { origin, looks } = await startOllama(t);
  const hub = await startHubProcess(t, {
    env: { OLLAMA_HOST: origin },
    config: { providers: { simulator: { kind: 'simulator' } } },
  });
  assert.deepEqual(looks, []);
  assert.doesNotMatch(hub.output(), /ollama/i);
});
