/** The command line as a process of its own: what it prints, where, and the code it ends with. */
import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, openSync } from 'node:fs';
import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import path from 'node:path';
import { before, describe, it } from 'node:test';
import type { TestContext } from 'node:test';
import { startHubHere } from '../helpers/hub-here.ts';
import { runCli, runCliLines, temporaryFolder, waitFor } from '../helpers/hub-process.ts';
import type { CliEnd } from '../helpers/hub-process.ts';
import { freePorts } from '../helpers/ports.ts';
import { readyDatabase } from '../helpers/ready-database.ts';
import { forTheSuite } from '../helpers/suite.ts';
import type { Cleanup } from '../helpers/suite.ts';

const BIN = new URL('../../bin/revoagent.js', import.meta.url).pathname;
const SECRET = 'sk-nobody-may-see-this';

/** A folder to run in, with a file when there is one. */
async function folderWith(t: Cleanup, text?: string): Promise<string> {
  const cwd = await temporaryFolder(t);
  if (text !== undefined) await writeFile(path.join(cwd, 'revoagent.yaml'), text);
  return cwd;
}

/** A folder in which a hub has run before. */
async function folderWithDatabase(t: TestContext): Promise<string> {
  const cwd = await temporaryFolder(t);
  await readyDatabase(path.join(cwd, '.revoagent'));
  return cwd;
}

/** A hub that has said all it says to a person at its start. */
async function startServing(t: TestContext, words: readonly string[], cwd: string, more: Record<string, string>) {
  const env = { PATH: process.env['PATH'] ?? '', OLLAMA_HOST: '127.0.0.1:1', ...more };
  const child = spawn(process.execPath, [BIN, ...words], { cwd, env, stdio: ['ignore', 'pipe', 'pipe'] });
  t.after(() => child.kill('SIGKILL'));
  let stdout = '';
  let stderr = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => (stdout += text));
  child.stderr.setEncoding('utf8').on('data', (text: string) => (stderr += text));
  await waitFor(
    () => /Try:[^]*curl/.exec(stdout),
    60_000,
    () => stdout + stderr,
  );
  return { child, stdout: () => stdout, stderr: () => stderr };
}

const GOOD = `providers:
  local: { kind: openai-compatible, baseUrl: "http://127.0.0.1:1/v1", apiKey: "\${KEY}" }
routes:
  fast: { groups: [[{ provider: local, model: m }]] }
`;
const BAD = 'server:\n  prot: 1\nlogging:\n  level: loud\n';

describe('config check and config print, of a valid file', () => {
  let ended: CliEnd[];
  const suite = forTheSuite();
  before(async () => {
    const env = { KEY: SECRET, REVOAGENT_PORT: '0', DATABASE_URL: `postgres://u:${SECRET}@h/d` };
    const lines = ['config check', 'config check --json', 'config print', 'config print --json'];
    ended = await runCliLines(
      lines.map((line) => line.split(' ')),
      { cwd: await folderWith(suite, GOOD), env },
    );
  });

  it('check ends with 0 and a summary on standard output', () => {
    const [people, machines] = ended;
    assert.deepEqual([people?.code, people?.stderr], [0, '']);
    assert.match(people?.stdout ?? '', /revoagent\.yaml is valid: providers local; routes fast\./);
    const report = JSON.parse(machines?.stdout ?? '');
    assert.deepEqual([report.valid, report.providers, report.routes], [true, ['local'], ['fast']]);
  });

  it('print shows each value with its origin and no secret, for people and as JSON', () => {
    const [, , people = assert.fail(), machines = assert.fail()] = ended;
    assert.equal(people.code, 0, people.stderr);
    assert.match(people.stdout, /^server\.port = 0 +# env REVOAGENT_PORT$/m);
    assert.match(people.stdout, /^providers\.local\.apiKey = "\[redacted\]" +# revoagent\.yaml:2$/m);
    assert.match(people.stdout, /^storage\.url = "\[redacted\]" +# env DATABASE_URL$/m);
    const values: unknown[] = JSON.parse(machines.stdout);
    assert.equal(values.length, people.stdout.trim().split('\n').length);
    assert.ok(!`${people.stdout}${people.stderr}${machines.stdout}${machines.stderr}`.includes(SECRET));
  });
});

describe('config check, config print and serve, of an invalid file', () => {
  let ended: CliEnd[];
  const suite = forTheSuite();
  before(async () => {
    const lines = [['config', 'check'], ['config', 'check', '--json'], ['config', 'print'], []];
    ended = await runCliLines(lines, { cwd: await folderWith(suite, BAD) });
  });

  it('check ends with 1 and every error with its line, on standard error or as JSON', () => {
    const [people = assert.fail(), machines = assert.fail()] = ended;
    assert.deepEqual([people.code, people.stdout], [1, '']);
    assert.deepEqual(people.stderr.trim().split('\n'), [
      'revoagent.yaml:2: server.prot: is not known; did you mean "port"?',
      'revoagent.yaml:4: logging.level: must be one of debug, info, warn, error',
    ]);
    const { valid, problems } = JSON.parse(machines.stdout);
    assert.deepEqual([machines.code, machines.stderr, valid], [1, '', false]);
    assert.deepEqual(problems[0], {
      path: 'server.prot',
      origin: 'revoagent.yaml:2',
      message: 'is not known; did you mean "port"?',
    });
  });

  it('print ends with 1 and the errors on standard error', () => {
    const { code, stdout, stderr } = ended[2] ?? assert.fail();
    assert.deepEqual([code, stdout], [1, '']);
    assert.match(stderr, /has 2 problems:\n {2}revoagent\.yaml:2/);
  });

  it('serve ends with 1 and the errors', () => {
    const { code, stdout, stderr } = ended[3] ?? assert.fail();
    assert.deepEqual([code, stdout], [1, '']);
    assert.match(stderr, /The configuration has 2 problems/);
  });
});

describe('keys', () => {
  it('are made, listed and revoked at the running hub, which serves and refuses them at once', async (t) => {
    const hub = await startHubHere(t);
    const config = ['--config', hub.configFile];
    const made = await runCli(['keys', 'create', '--name', 'agent', '--scopes', 'read, chat', '--json', ...config]);
    assert.equal(made.code, 0, made.stderr);
    const { id, secret } = JSON.parse(made.stdout);
    const models = () => fetch(`${hub.url}/v1/models`, { headers: { authorization: `Bearer ${secret}` } });
    assert.equal((await models()).status, 200);

    const listed = await runCli(['keys', 'list', '--json', ...config]);
    const [key] = JSON.parse(listed.stdout);
    assert.deepEqual([key.id, key.name, key.scopes.toSorted(), key.revokedAt], [id, 'agent', ['chat', 'read'], null]);
    assert.ok(!listed.stdout.includes(secret));

    const revoked = await runCli(['keys', 'revoke', id, ...config]);
    assert.deepEqual([revoked.code, revoked.stdout], [0, `${id} is revoked.\n`]);
    assert.equal((await models()).status, 401);
    const again = await runCli(['keys', 'revoke', id, ...config]);
    assert.deepEqual([again.code, again.stdout], [1, '']);
    assert.match(again.stderr, /There is no active key key_\w+\. See: revoagent keys list/);
  });

  it('are made from another folder by the command that the hub printed, with its file and its data folder; a hub prints without colour where there is no terminal, and ends with 0 on SIGTERM', async (t) => {
    const cwd = await temporaryFolder(t);
    await writeFile(path.join(cwd, "it's.yaml"), 'logging: { level: warn }\n');
    for (const [flags, shown, more] of [
      [['--port', '0', '--data-dir', 'my data'], `--data-dir '${cwd}/my data'`, {}],
      [
        ['serve', '-c', "it's.yaml", '--port', '0'],
        `-c '${cwd}/it'\\''s.yaml' --data-dir ${cwd}/.revoagent`,
        { NODE_OPTIONS: '--max-semi-space-size=16' },
      ],
    ] as const) {
      const folder = path.join(cwd, flags[0] === 'serve' ? '.revoagent' : 'my data');
      await readyDatabase(folder);
      const hub = await startServing(t, flags, cwd, more);
      // A hub has more room for young objects than the runtime gives by itself, unless somebody has said how much.
      const words = await readFile(`/proc/${hub.child.pid}/cmdline`, 'utf8');
      assert.equal(words.includes('--max-semi-space-size='), !('NODE_OPTIONS' in more), words);
      assert.ok(words.includes('--no-allocation-site-pretenuring'), words);
      const command = /Make one: npx revoagent (keys create .*)/.exec(hub.stdout())?.[1] ?? assert.fail(hub.stdout());
      assert.equal(command, `keys create --name me ${shown}`);
      const elsewhere = await temporaryFolder(t);
      const made = spawnSync('sh', ['-c', `${process.execPath} ${BIN} ${command}`], {
        cwd: elsewhere,
        encoding: 'utf8',
      });
      assert.deepEqual([made.status, made.stderr], [0, '']);
      const url = /listens on (\S+)/.exec(hub.stdout())?.[1];
      // Without a connection that it would serve on while it stops.
      const init = { headers: { connection: 'close' } };
      assert.equal((await fetch(`${url}/v1/models`, init)).status, 401, 'the hub has a key now');
      assert.deepEqual(await readdir(elsewhere), []);

      hub.child.kill('SIGTERM');
      const [code] = await once(hub.child, 'exit');
      const [stdout, stderr] = [hub.stdout(), hub.stderr()];
      assert.equal(code, 0, stderr);
      assert.ok(!`${stdout}${stderr}`.includes('\u001B'));
      assert.match(stdout, /reVoAgent \S+ listens on http:\/\/127\.0\.0\.1:\d+/);
      for (const line of stderr.trim().split('\n').filter(Boolean)) assert.ok(JSON.parse(line).event, line);
      // One of the two logs what it does.
      assert.ok(flags[0] === 'serve' || stderr.includes('"event"'), stderr);
    }
  });

  it('are made, revoked and listed without a hub', async (t) => {
    const cwd = await folderWithDatabase(t);
    const made = await runCli(['keys', 'create', '--name', 'ci'], { cwd });
    assert.equal(
      made.stderr,
      `No running hub was asked; the key is in this storage: embedded, in ${cwd}/.revoagent.\n`,
    );
    const [, id] = /^rvk_\S+\n[^]*(key_\w+); its scopes: chat, read, external, admin\.\n$/.exec(made.stdout) ?? [];
    assert.ok(id !== undefined, made.stdout + made.stderr);
    const revoked = await runCli(['keys', 'revoke', id], { cwd });
    assert.deepEqual([revoked.code, revoked.stdout], [0, `${id} is revoked.\n`]);
    const listed = await runCli(['keys', 'list'], { cwd });
    assert.match(listed.stdout, new RegExp(`^${id} .* revoked .* ci\\n$`));
  });

  it('say which setting names a database that is away, without its password', async (t) => {
    const env = { DATABASE_URL: `postgres://u:${SECRET}@127.0.0.1:1/d` };
    const { code, stderr } = await runCli(['keys', 'list'], { env, cwd: await folderWith(t) });
    assert.equal(code, 1);
    assert.match(stderr, /The database of storage\.url \(DATABASE_URL\) cannot be used/);
    assert.ok(!stderr.includes(SECRET));
  });
});

it('--help of every command shows an example and ends with 0', async () => {
  const commands = ['', 'serve', 'config', 'config print', 'config check', 'keys']
    .concat(['create', 'list', 'revoke', 'generate'].map((name) => `keys ${name}`))
    .map((text) => text.split(' ').filter(Boolean));
  const ended = await runCliLines(commands.map((words) => [...words, '--help']));
  for (const [index, { code, stdout, stderr }] of ended.entries()) {
    assert.deepEqual([code, stderr], [0, '']);
    assert.match(stdout, new RegExp(`Examples?:\\n {2}${['revoagent', ...(commands[index] ?? [])].join(' ')}`));
  }
});

it("nginx follows the hubs' configuration, and a flag before it", async (t) => {
  const config = path.join(
    await folderWith(t, 'server: { requestsInFlightMax: 16384, bodyBytesMax: 64000000 }'),
    'revoagent.yaml',
  );
  const words = ['nginx', '-i', 'hub-1=127.0.0.1:12001', '--nginx-version', '1.22.1', '-c', config];
  const followed = (await runCli(words)).stdout;
  assert.match(followed, /max_conns=4096;/);
  assert.match(followed, /client_max_body_size 65048576;/);
  assert.match((await runCli([...words, '--requests-in-flight-max', '7'])).stdout, /max_conns=7;/);
});

it('a reader who leaves before the end is no error', () => {
  const { stderr } = spawnSync('sh', ['-c', `{ ${process.execPath} ${BIN} --help; echo "ended with $?" >&2; } | true`]);
  assert.equal(stderr.toString(), 'ended with 0\n');
});

it('an output that cannot be written ends with 1 and the reason, and no stack of calls', () => {
  const full = openSync('/dev/full', 'w');
  const { status, stderr } = spawnSync(process.execPath, [BIN, 'keys', 'generate'], {
    stdio: ['ignore', full, 'pipe'],
    encoding: 'utf8',
  });
  closeSync(full);
  assert.equal(status, 1);
  assert.match(stderr, /^revoagent: standard output cannot be written, and what it was to say is lost: ENOSPC.*\n$/);
});

it('a hub serves, and ends, while nothing of what it says and logs can be written', async (t) => {
  const cwd = await folderWithDatabase(t);
  const full = openSync('/dev/full', 'w');
  const [port = 0] = await freePorts(1);
  const child = spawn(process.execPath, [BIN, 'serve', '--port', String(port)], {
    cwd,
    env: { PATH: process.env['PATH'] ?? '', OLLAMA_HOST: '127.0.0.1:1' },
    stdio: ['ignore', full, full],
  });
  closeSync(full);
  t.after(() => child.kill('SIGKILL'));
  const exit = once(child, 'exit');
  const isLive = (): Promise<boolean> =>
    fetch(`http://127.0.0.1:${port}/health/live`).then(
      ({ ok }) => ok,
      () => false,
    );
  // More than once: each request is a line of the log.
  for (let turn = 0; turn < 3; turn++) await waitFor(async () => (await isLive()) || undefined, 60_000);
  child.kill('SIGTERM');
  assert.deepEqual(await exit, [1, null]);
});

it('what cannot be used is named with what to do', async (t) => {
  const cwd = await folderWith(t, '');
  const file = path.join(cwd, 'revoagent.yaml');
  // A folder in the place of its file is as far away as another user's, for root too.
  await mkdir(path.join(cwd, 'data', 'lock.sqlite'), { recursive: true });
  const cases: readonly [string[], RegExp][] = [
    [
      ['keys', 'list', '-c', file, '--data-dir', path.join(cwd, 'data')],
      /storage\.dataDir cannot be used: \S+data is not this user's/,
    ],
    [['keys', 'create', '-c', file, '--name', ''], /--name wants 1 to 100 characters/],
    [
      ['up', '--folder', path.join(file, 'stack')],
      /\S+stack is no folder and cannot be made one: ENOTDIR.+ Take another --folder\.\n$/,
    ],
    // The runtime's own recursion would go round there for ever.
    [
      ['up', '--folder', '/proc/x'],
      /\/proc\/x is no folder and cannot be made one: ENOENT.+ Take another --folder\.\n$/,
    ],
    [['up', '--dry-run', '--folder', file], /revoagent\.yaml is a file, and no folder for the stack/],
    [
      ['check', '--key-file', '/nope'],
      /--key-file: \/nope cannot be read: ENOENT.+ Name the file that holds an admin key/,
    ],
  ];
  for (const [words, expected] of cases) {
    const { code, stderr } = await runCli(words);
    assert.equal(code, 1);
    assert.match(stderr, expected);
  }
});

it('wrong words end with 2 and name the nearest right ones', async () => {
  const cases: (readonly [words: readonly string[], expected: RegExp])[] = [
    [['kesy'], /unknown command 'kesy'\n\(Did you mean keys\?\)/],
    [['nonsense'], /unknown command 'nonsense'\nAdd --help/],
    [['config', 'chek'], /unknown command 'chek'\n\(Did you mean check\?\)/],
    [['serve', '--prot', '1'], /unknown option '--prot'\n\(Did you mean --port\?\)/],
    [['--jsn'], /unknown option '--jsn'\n\(Did you mean --json\?\)/],
    [['keys', 'create'], /required option '-n, --name <name>' not specified/],
    [
      ['keys', 'create', '--name', 'a', '--scopes', 'chat,all'],
      /"all" is no scope; there are: chat, read, external, admin/,
    ],
    [['keys', 'revoke'], /missing required argument 'id'/],
    [['-c', ''], /'-c, --config <file>' argument '' is invalid\. It is empty: name one, or leave the option out/],
    [['status', '--folder', ''], /'--folder <folder>' argument '' is invalid/],
  ];
  const ended = await runCliLines(cases.map(([words]) => words));
  for (const [index, [, expected]] of cases.entries()) {
    const { code, stdout, stderr } = ended[index] ?? {};
    assert.match(stderr ?? '', expected);
    assert.deepEqual([code, stdout], [2, '']);
  }
  const real = await runCli(['kesy']);
  assert.deepEqual([real.code, real.stdout, real.stderr], [2, '', ended[0]?.stderr]);
});

it('with --json, what went wrong is one line of JSON', async () => {
  const cases: (readonly [words: readonly string[], code: number, error: RegExp, problems?: RegExp])[] = [
    [
      ['config', 'print', '-c', '/nope', '--json'],
      1,
      /one problem/,
      /"origin":"\/nope","message":"there is no such file"/,
    ],
    [['status', '--folder', '/nope', '--json'], 1, /^No stack runs in \/nope\. Start one: /],
    [['nop', '--json'], 2, /^unknown command 'nop'/],
    [['keys', 'list', '--jsn', '--json'], 2, /^unknown option '--jsn'\n\(Did you mean --json\?\)$/],
  ];
  const ended = await runCliLines(cases.map(([words]) => words));
  for (const [index, [, expected, error, problems = /null/]] of cases.entries()) {
    const { code, stdout, stderr = '' } = ended[index] ?? {};
    assert.deepEqual([code, stdout, stderr.split('\n').length], [expected, '', 2]);
    const said = JSON.parse(stderr) as { error: string; problems?: unknown };
    assert.match(said.error, error);
    assert.match(JSON.stringify(said.problems ?? null), problems);
  }
});

describe('serve', () => {
  it('ends with 1 when its port is taken, and says so', async (t) => {
    const taken = createServer().listen(0, '127.0.0.1');
    t.after(() => taken.close());
    await once(taken, 'listening');
    const address = taken.address();
    assert.ok(typeof address === 'object' && address !== null);
    const { code, stderr } = await runCli(['--port', String(address.port)], { cwd: await folderWithDatabase(t) });
    assert.equal(code, 1);
    assert.match(stderr, new RegExp(`Port ${address.port} of 127\\.0\\.0\\.1 is in use.*--port`));
  });

  it('ends with 1 and the setting where its data folder cannot be made, even where the system says only that there is none', async (t) => {
    const cwd = await temporaryFolder(t);
    // Linux takes no folder in /proc, and says ENOENT though it is there.
    const { code, stderr } = await runCli(['serve', '--data-dir', '/proc/x/y', '--port', '0'], { cwd });
    assert.equal(code, 1);
    assert.match(stderr, /storage\.dataDir cannot be used: \/proc\/x\/y /);
  });
});
