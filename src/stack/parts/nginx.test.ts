/** What the balancer of a stack lets pass. */
import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { describe, it } from 'node:test';
import { requireTool } from '../../../tests/helpers/tools.ts';
import { Layout } from '../layout.ts';
import { nginxPart } from './nginx.ts';

describe('the balancer of a stack', () => {
  it('lets a body pass that the hubs take by their configuration, and a little more', (t) => {
    const folder = mkdtempSync(path.join(tmpdir(), 'revoagent-'));
    t.after(() => rmSync(folder, { recursive: true }));
    const bodyBytesMax = 64 * 1024 * 1024;
    const layout = new Layout({ folder, hubs: 2, portOffset: 0, monitoring: false, bodyBytesMax });
    nginxPart(layout, requireTool('nginx')).prepare?.();
    const [, most] = /client_max_body_size (\d+);/.exec(readFileSync(layout.in('nginx', 'nginx.conf'), 'utf8')) ?? [];
    assert.ok(Number(most) > bodyBytesMax, `${most} bytes`);
  });
});
