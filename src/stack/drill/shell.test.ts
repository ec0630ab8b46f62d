import assert from 'node:assert/strict';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { describe, it } from 'node:test';
import { systemClock } from '#core/clock';
import { openShell, runBlock } from './shell.ts';

describe('the shell of drills', () => {
  it('loads the hub: chats that differ, or the path it is given', async (t) => {
    const asked: string[] = [];
    const hub = createServer((request, response) => {
      let body = '';
      request.on('data', (part: Buffer) => (body += part.toString()));
      request.on('end', () => {
        asked.push(`${request.method} ${request.url} ${body}`);
        response.end('{}');
      });
    }).listen(0, '127.0.0.1');
    await once(hub, 'listening');
    const folder = mkdtempSync(path.join(tmpdir(), 'revoagent-shell-'));
    t.after(() => {
      hub.close();
      rmSync(folder, { recursive: true });
    });
    const shell = openShell(systemClock, folder, { HUB: `http://127.0.0.1:${(hub.address() as AddressInfo).port}` });

    await runBlock(shell, 'load 2 1');
    const chats = new Set(asked.splice(0));
    assert.ok(chats.size > 1);
    for (const chat of chats) assert.match(chat, /^POST \/v1\/chat\/completions .*"Load \d\.\d+"/);

    await runBlock(shell, 'load 1 1 /api/runs');
    assert.equal(asked[0], 'GET /api/runs ');
    await assert.rejects(runBlock(shell, 'load 1'), /usage: load/);
  });
});
