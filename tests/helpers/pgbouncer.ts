/** A real pgbouncer in front of a test's PostgreSQL, which lends its connections by transaction; it goes with the test. */
import { spawn } from 'node:child_process';
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { once } from 'node:events';
import { tmpdir } from 'node:os';
import path from 'node:path';
import type { TestContext } from 'node:test';
import pg from 'pg';
import { databaseUser } from '#stack/servers/postgres';
import { freePort } from './free-port.ts';
import { waitFor } from './hub-process.ts';
import { requireTool } from './tools.ts';

/** The same database through the pooler, which has `servers` connections to lend. Its settings are its own defaults. */
export async function behindPgbouncer(t: TestContext, url: string, servers: number): Promise<string> {
  const { hostname, port: behind, username, pathname } = new URL(url);
  const folder = mkdtempSync(path.join(tmpdir(), 'revoagent-pgbouncer-'));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  const port = await freePort();
  const file = path.join(folder, 'pgbouncer.ini');
  writeFileSync(
    file,
    `[databases]
* = host=${hostname} port=${behind} user=${username}
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = ${port}
unix_socket_dir =
auth_type = any
pool_mode = transaction
default_pool_size = ${servers}
`,
  );
  chmodSync(folder, 0o755);
  const child = spawn(requireTool('pgbouncer'), [file], { ...databaseUser(), stdio: 'ignore' });
  t.after(async () => {
    const ended = once(child, 'exit');
    child.kill('SIGKILL');
    await ended;
  });
  const through = `postgres://${username}@127.0.0.1:${port}${pathname}`;
  await waitFor(() => answers(through).catch(() => undefined));
  return through;
}

async function answers(url: string): Promise<true> {
  const client = new pg.Client({ connectionString: url, connectionTimeoutMillis: 1_000 });
  client.on('error', () => undefined);
  await client.connect();
  try {
    await client.query('select 1');
    return true;
  } finally {
    await client.end();
  }
}
