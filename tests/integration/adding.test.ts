/** docs/adding-a-*.md, followed to the letter in a copy of the source: what was added works. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { cp, mkdir, readFile, symlink, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { before, describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { runNode, temporaryFolder, waitFor } from '../helpers/hub-process.ts';
import { readyDatabase } from '../helpers/ready-database.ts';
import { forTheSuite } from '../helpers/suite.ts';
import { startUpstream } from '../helpers/upstream.ts';
import type { Upstream } from '../helpers/upstream.ts';

const ROOT = fileURLToPath(new URL('../../', import.meta.url));
const PAGES = ['adding-a-provider.md', 'adding-a-health-check.md'];
const BLOCK = /^```\w+ (new|edit)=(\S+)\n([^]*?)^```$/gm;

/** Puts each added line behind the line that stands before it on the page. */
function edited(text: string, change: string): string {
  let result = text;
  let anchor = '';
  for (const line of change.trimEnd().split('\n')) {
    if (line.startsWith('+')) {
      const at = result.indexOf(`${anchor}\n`);
      assert.ok(anchor !== '' && at !== -1, `no line "${anchor}"`);
      const end = at + anchor.length + 1;
      result = `${result.slice(0, end)}${line.slice(1)}\n${result.slice(end)}`;
    } else anchor = line.slice(1);
  }
  return result;
}

async function follow(folder: string): Promise<void> {
  for (const page of PAGES) {
    const text = await readFile(path.join(ROOT, 'docs', page), 'utf8');
    const blocks = [...text.matchAll(BLOCK)];
    assert.ok(blocks.length >= 2, page);
    for (const [, what, name = '', content = ''] of blocks) {
      const file = path.join(folder, name);
      await mkdir(path.dirname(file), { recursive: true });
      await writeFile(file, what === 'new' ? content : edited(await readFile(file, 'utf8'), content));
    }
  }
}

describe('a copy of the source, after docs/adding-a-*.md', () => {
  const suite = forTheSuite();
  let upstream: Upstream;
  let folder: string;
  let url: string;
  before(async () => {
    upstream = await startUpstream(suite);
    folder = await temporaryFolder(suite);
    for (const name of ['src', 'bin', 'schema', 'package.json', 'tsconfig.json'])
      await cp(path.join(ROOT, name), path.join(folder, name), { recursive: true });
    await symlink(path.join(ROOT, 'node_modules'), path.join(folder, 'node_modules'));
    await follow(folder);
    const config = path.join(folder, 'hub.json');
    const acme = { kind: 'acme', baseUrl: upstream.baseUrl, apiKey: 'sk-acme', tenant: 'ours' };
    const storage = { dataDir: path.join(folder, 'data') };
    await readyDatabase(storage.dataDir);
    await writeFile(config, JSON.stringify({ server: { port: 0 }, storage, providers: { acme } }));
    const child = spawn(process.execPath, ['bin/revoagent.js', 'serve', '--json', '--config', config], {
      cwd: folder,
      env: { PATH: process.env['PATH'] ?? '' },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    let output = '';
    for (const stream of [child.stdout, child.stderr])
      stream.setEncoding('utf8').on('data', (text: string) => (output += text));
    suite.after(() => child.kill('SIGKILL'));
    url = await waitFor(
      () => {
        if (child.exitCode !== null) throw new Error(output);
        return /"url":"(http:[^"]+)"/.exec(output)?.[1];
      },
      60_000,
      () => output,
    );
  });

  it('answers by the new kind of provider, with what it sends', async () => {
    const response = await fetch(`${url}/v1/chat/completions`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ model: 'acme/test-model', messages: [{ role: 'user', content: 'Well?' }] }),
    });
    assert.equal(response.status, 200, await response.clone().text());
    const { authorization, 'x-acme-tenant': tenant } = upstream.received[0]?.headers ?? {};
    assert.deepEqual([authorization, tenant], ['Bearer sk-acme', 'ours']);
  });

  it('tells the new check in /health and in the metrics', async () => {
    const { checks } = (await (await fetch(`${url}/health`)).json()) as { checks: { name: string; status: string }[] };
    assert.equal(checks.find(({ name }) => name === 'open-files')?.status, 'healthy', JSON.stringify(checks));
    assert.match(await (await fetch(`${url}/metrics`)).text(), /revoagent_health_check_status\{check="open-files"\} 0/);
  });

  it('compiles', async () => {
    const tsconfig = path.join(folder, 'tsconfig.new.json');
    const files = ['src/providers/index.ts', 'src/hub/health.ts'];
    await writeFile(tsconfig, JSON.stringify({ extends: './tsconfig.json', include: files }));
    // One checker: several each work out what the others do as well, which takes two and a half times the processor.
    const words = [path.join(ROOT, 'node_modules/typescript/bin/tsc'), '-p', tsconfig, '--singleThreaded'];
    const { code, stdout } = await runNode(words, { cwd: folder });
    assert.equal(code, 0, stdout);
  });
});
