/** A guardrail's module that never ends to load is refused as one that cannot be loaded: it would hold up every reload after it. */
import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import path from 'node:path';
import { it } from 'node:test';
import { messageOf } from '#core/errors';
import { temporaryFolder, waitFor } from '../../tests/helpers/hub-process.ts';
import { VirtualClock } from '../../tests/helpers/virtual-clock.ts';
import { loadGuardrails } from './guardrails.ts';

it('a guardrail that does not load in time is refused, by its name', async (t) => {
  const module = path.join(await temporaryFolder(t), 'hangs.mjs');
  await writeFile(module, 'await new Promise(() => undefined);\nexport const before = () => ({ action: "allow" });\n');
  const clock = new VirtualClock();
  const said: string[] = [];
  const guardrail = { module, onFailure: 'open', timeoutMs: 1 } as const;
  loadGuardrails([{ groups: [], guardrail }], clock).catch((error: unknown) => said.push(messageOf(error)));
  await waitFor(async () => {
    await clock.advance(1_000);
    return said[0];
  });
  assert.match(said[0] ?? '', /^The guardrail \S+hangs\.mjs cannot be loaded: It took longer than 30000 ms\.$/);
});
