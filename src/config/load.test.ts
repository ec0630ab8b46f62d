/** Loading: what a person is told about a wrong file, which source wins, and what is found in the environment. */
import assert from 'node:assert/strict';
import path from 'node:path';
import { describe, it } from 'node:test';
import { Type } from 'typebox';
import { Secret } from '#core/secret';
import { kinds, loadText as load } from '../../tests/helpers/config-text.ts';
import { ConfigError } from './index.ts';
import type { Loaded } from './index.ts';
import type { Problem } from './problem.ts';

function problemsOf(act: () => unknown): readonly Problem[] {
  try {
    act();
  } catch (error) {
    assert.ok(error instanceof ConfigError, String(error));
    return error.problems;
  }
  assert.fail('the configuration was accepted');
}

/** `origin path`, in order. */
function places(problems: readonly Problem[]): string[] {
  return problems.map(({ origin, path: at }) => `${origin} ${at}`);
}

function message(problems: readonly Problem[]): string {
  assert.equal(problems.length, 1, JSON.stringify(problems));
  return problems[0]?.message ?? '';
}

describe('a wrong file', () => {
  it('is told all at once, in its own order, each error with its line and path', (t) => {
    const problems = problemsOf(() =>
      load(
        t,
        `server:
  port: eighty
  hots: 127.0.0.1
  shutdownGraceMs: -5
loging:
  level: info
storage:
  pool: 3
providers:
  a:
    kind: openai-compatible
    baseUrl: nowhere
    apiKey: 12345
  b:
    kind: openai-compatble
  C: { kind: simulator }
routes:
  fast:
    groups: [[{ provider: aa, modle: x }]]
  "g*t":
    groups: []
  slow:
    groups: [[{ provider: b }]]
`,
      ),
    );
    assert.deepEqual(places(problems), [
      'revoagent.yaml:2 server.port',
      'revoagent.yaml:3 server.hots',
      'revoagent.yaml:4 server.shutdownGraceMs',
      'revoagent.yaml:5 loging',
      'revoagent.yaml:8 storage.pool',
      'revoagent.yaml:12 providers.a.baseUrl',
      'revoagent.yaml:13 providers.a.apiKey',
      'revoagent.yaml:15 providers.b.kind',
      'revoagent.yaml:16 providers.C',
      'revoagent.yaml:19 routes.fast.groups[0][0].modle',
      'revoagent.yaml:20 routes.g*t',
      'revoagent.yaml:21 routes.g*t.groups',
      'revoagent.yaml:23 routes.slow.groups[0][0].model',
    ]);
    const text = new ConfigError(problems).message;
    assert.match(text, /server\.port: must be a whole number, at least 0 and at most 65535/);
    assert.match(text, /server\.hots: is not known; did you mean "host"\?/);
    assert.match(text, /loging: is not known; did you mean "logging"\?/);
    assert.match(text, /kind: must be one of openai-compatible, simulator; did you mean "openai-compatible"\?/);
    assert.match(text, /modle: is not known; did you mean "model"\?/);
  });

  it('names the key that is meant whatever its case, and not one that is only as long', (t) => {
    assert.match(message(problemsOf(() => load(t, 'server: { PORT: 1 }'))), /did you mean "port"\?$/);
  });

  it('is told of a value in place of a group although a variable sets a part of the group', (t) => {
    const problems = problemsOf(() => load(t, 'server: 80', { env: { REVOAGENT_PORT: '80' } }));
    assert.deepEqual(places(problems), ['revoagent.yaml:1 server']);
    assert.equal(message(problems), 'must be a group of keys and values');
    assert.equal(load(t, 'server:', { env: { REVOAGENT_PORT: '80' } }).config.server.port, 80);
  });

  it('names the nearest provider where a route names none', (t) => {
    const problems = problemsOf(() =>
      load(
        t,
        'providers: { openai: { kind: simulator } }\nroutes: { a: { groups: [[{ provider: opnai, model: m }]] } }',
      ),
    );
    assert.match(message(problems), /"opnai" is not known; did you mean "openai"\?/);
  });

  it('names the nearest route where memory asks a model that nobody serves', (t) => {
    const configured = (model: string): void =>
      void load(
        t,
        `providers: { stub: { kind: simulator } }
routes: { embedding: { groups: [[{ provider: stub, model: e }]] }, "v-*": { groups: [[{ provider: stub }]] } }
memory: { embeddingModel: ${model} }`,
      );
    for (const served of ['embedding', 'v-3', 'stub/any']) configured(served);
    assert.match(
      message(problemsOf(() => configured('embeding'))),
      /"embeding" is not known; did you mean "embedding"\?/,
    );
  });

  for (const [what, text, expected] of [
    ['a syntax error', 'server:\n  port: 1\n port: 2\n', /revoagent\.yaml:3: All mapping items/],
    ['a tab', 'server:\n\tport: 1\n', /revoagent\.yaml:2: Tabs/],
    ['a key that is there twice', 'server: {}\nserver: {}\n', /revoagent\.yaml:2: this key stands here a second time/],
    ['a second document', 'server: {}\n---\nserver: {}\n', /revoagent\.yaml:2: a second document/],
    ['a list', '- a\n', /revoagent\.yaml: must hold keys and values/],
    ['a tag', 'server: !!js/function {}\n', /revoagent\.yaml:1: tags/],
    ['an alias', 'server: &a {}\nlogging: *a\n', /revoagent\.yaml:2: logging: anchors and aliases/],
    ['bytes that are no UTF-8', Buffer.from([0xff, 0xfe, 0x61, 0]), /revoagent\.yaml: is not UTF-8/],
    ['too many bytes', `#${'x'.repeat(5_000_000)}`, /revoagent\.yaml: is larger than 4194304 bytes/],
    ['no provider under providers', 'providers: {}', /revoagent\.yaml:1: providers: must hold at least one/],
    [
      'more levels than the parser can go',
      `server: ${'['.repeat(100_000)}`,
      /revoagent\.yaml:1: is nested deeper than 64/,
    ],
    ['__proto__', 'server:\n  __proto__: { port: 1 }\n', /revoagent\.yaml:2: server\.__proto__: is not known/],
  ] as const) {
    it(`with ${what} is refused with its place`, (t) => {
      const problems = problemsOf(() => load(t, text));
      assert.match(new ConfigError(problems).message, expected);
      assert.equal(problems.length, 1);
    });
  }

  it('with more levels than any setting has is refused with its section', (t) => {
    const [first] = problemsOf(() => load(t, `logging:\n  level: ${'['.repeat(64)}${']'.repeat(64)}\n`));
    assert.equal(first?.origin, 'revoagent.yaml:2');
    assert.equal(first.path, 'logging');
    assert.match(first.message, /^is nested deeper than 64 levels/);
  });

  it('that is not there, or is a folder, is refused in words', (t) => {
    assert.equal(message(problemsOf(() => load(t, '', { file: 'none.yaml' }))), 'there is no such file');
    assert.equal(message(problemsOf(() => load(t, '', { file: '.' }))), 'is a folder, not a file');
  });
});

describe('references', () => {
  const withPort = 'server: { port: "${PORT}" }\n';

  it('take the value of a variable, also where a number is wanted', (t) => {
    const { config, origins } = load(t, withPort, { env: { PORT: '8080' } });
    assert.equal(config.server.port, 8080);
    assert.equal(origins.get('server.port'), 'revoagent.yaml:1');
  });

  it('to a variable that is not set, or empty, are one error each, with its name and place', (t) => {
    const text = 'server:\n  port: ${PORT}\n  host: ${HOST}\n';
    const problems = problemsOf(() => load(t, text, { env: { HOST: '' } }));
    assert.deepEqual(places(problems), ['revoagent.yaml:2 server.port', 'revoagent.yaml:3 server.host']);
    assert.match(problems[0]?.message ?? '', /variable PORT is not set; set it, or write \$\{PORT:-default\}/);
    assert.match(problems[1]?.message ?? '', /variable HOST is not set/);
  });

  it('fall back on what stands after :-', (t) => {
    const { config } = load(t, 'server: { port: "${PORT:-9000}", host: "${HOST:-::1}" }');
    assert.equal(config.server.port, 9000);
    assert.equal(config.server.host, '::1');
  });

  it('are written literally with two dollars, and are not looked for in what they brought', (t) => {
    const text = 'server: { instance: "a$${B}-${C}" }';
    assert.equal(load(t, text, { env: { C: '${D}' } }).config.server.instance, 'a${B}-${D}');
  });

  it('leave a text that looks like a number a text where a text is wanted', (t) => {
    assert.equal(load(t, 'server: { instance: "${ID}" }', { env: { ID: '007' } }).config.server.instance, '007');
  });

  it('that are none are refused without repeating them, since they may be part of a password', (t) => {
    const problems = problemsOf(() => load(t, 'storage: { url: "postgres://u:pa${ss word}@h/d" }'));
    assert.match(message(problems), /begins no reference/);
    assert.doesNotMatch(JSON.stringify(problems), /ss word/);
  });
});

describe('precedence', () => {
  it('is defaults, file, environment, flags, and each value says where it came from', (t) => {
    const text = 'server: { host: "::1", port: 1, instance: file }\n';
    const env = { REVOAGENT_PORT: '2', REVOAGENT_HOST: '127.0.0.2', REVOAGENT_LOG_LEVEL: 'debug' };
    const { config, origins } = load(t, text, { env, flags: { 'server.port': '3', 'storage.dataDir': '/d' } });
    const origin = (at: string) => origins.get(at);
    assert.deepEqual([config.server.port, origin('server.port')], [3, 'flag --port']);
    assert.deepEqual([config.storage.dataDir, origin('storage.dataDir')], ['/d', 'flag --data-dir']);
    assert.deepEqual([config.server.host, origin('server.host')], ['127.0.0.2', 'env REVOAGENT_HOST']);
    assert.deepEqual([config.logging.level, origin('logging.level')], ['debug', 'env REVOAGENT_LOG_LEVEL']);
    assert.deepEqual([config.server.instance, origin('server.instance')], ['file', 'revoagent.yaml:1']);
    assert.deepEqual([config.server.bodyBytesMax, origin('server.bodyBytesMax')], [20_971_520, 'default']);
  });

  it('ends in an error that names the source that was wrong', (t) => {
    const env = { REVOAGENT_PORT: 'x', REVOAGENT_LOGLEVEL: 'info' };
    const problems = problemsOf(() => load(t, 'server: { port: 1 }', { env, flags: { 'server.host': '' } }));
    assert.deepEqual(places(problems).toSorted(), [
      'env REVOAGENT_LOGLEVEL ',
      'env REVOAGENT_PORT server.port',
      'flag --host server.host',
    ]);
    assert.match(new ConfigError(problems).message, /did you mean "REVOAGENT_LOG_LEVEL"\?/);
  });

  it('passes over what Kubernetes says about a Service of the same name', (t) => {
    const env = {
      REVOAGENT_PORT: 'tcp://10.0.0.7:12001',
      REVOAGENT_SERVICE_HOST: '10.0.0.7',
      REVOAGENT_SERVICE_PORT_HTTP: '12001',
      REVOAGENT_PORT_12001_TCP_ADDR: '10.0.0.7',
    };
    assert.equal(load(t, '', { env }).config.server.port, 12_001);
  });
});

describe('the file', () => {
  it('is REVOAGENT_CONFIG, else the first of revoagent.yaml, .yml and .json; an empty one is as none', (t) => {
    const json = load(t, '{"$schema": "x", "server": {"port": 5}}', {}, 'revoagent.json');
    assert.equal(json.config.server.port, 5);
    assert.equal(path.basename(json.file ?? ''), 'revoagent.json');
    const named = load(t, 'server: { port: 6 }', { env: { REVOAGENT_CONFIG: 'other.yml' } }, 'other.yml');
    assert.equal(named.config.server.port, 6);
    const empty = load(t, '# nothing yet\n');
    assert.equal(empty.config.server.port, 12_001);
    assert.equal(load(t, '', {}, 'unrelated.txt').file, null);
    assert.equal(load(t, 'server: { port: 7 }', { env: { REVOAGENT_CONFIG: '' } }).config.server.port, 7);
  });

  it('turns every secret into a Secret, also those of the environment', (t) => {
    const text =
      'providers: { a: { kind: openai-compatible, baseUrl: "http://h", apiKey: k1, headers: { api-key: k2 } } }';
    const { config } = load(t, text, { env: { DATABASE_URL: 'postgres://u:p@h/d' } });
    const settings = config.providers['a']?.settings ?? {};
    assert.ok(config.storage.url instanceof Secret && config.storage.url.reveal() === 'postgres://u:p@h/d');
    assert.ok(settings['apiKey'] instanceof Secret && settings['apiKey'].reveal() === 'k1');
    assert.deepEqual(JSON.parse(JSON.stringify(settings['headers'])), { 'api-key': '[redacted]' });
  });
});

describe('what is sent as a header', () => {
  const provider = (more: string) => `providers: { a: { kind: openai-compatible, baseUrl: "http://h", ${more} } }`;

  it('is refused with the line end of the file that it was read from, or another character that no header holds', (t) => {
    const problems = problemsOf(() =>
      load(t, provider('apiKey: "${KEY}", headers: { x-key: "${KEY}" }'), { env: { KEY: 'sk-hunter2\n' } }),
    );
    assert.deepEqual(places(problems), [
      'revoagent.yaml:1 providers.a.apiKey',
      'revoagent.yaml:1 providers.a.headers.x-key',
    ]);
    assert.match(problems[0]?.message ?? '', /^holds a line end or another character/);
    const found = problemsOf(() => load(t, '', { env: { OPENAI_API_KEY: 'sk-hunter2’' } }));
    assert.deepEqual(places(found), ['OPENAI_API_KEY providers.openai.apiKey']);
    assert.doesNotMatch(new ConfigError([...problems, ...found]).message, /hunter2/);
  });

  it('is a secret whatever its name', (t) => {
    const { config } = load(t, provider('headers: { constructor: hunter2 }'));
    assert.doesNotMatch(JSON.stringify(config), /hunter2/);
  });
});

describe('without providers in the file', () => {
  const baseUrls = ({ config }: Loaded) =>
    Object.fromEntries(
      Object.entries(config.providers).flatMap(([name, { kind, settings }]) =>
        kind === 'simulator' ? [] : [[name, settings['baseUrl']]],
      ),
    );

  it('those that the environment has keys for are found, the first as the default', (t) => {
    const loaded = load(t, '', { env: { GROQ_API_KEY: 'g', OPENAI_API_KEY: 'o' } });
    assert.deepEqual(baseUrls(loaded), {
      openai: 'https://api.openai.com/v1',
      groq: 'https://api.groq.com/openai/v1',
    });
    assert.deepEqual(
      loaded.discovered.map(({ because }) => because),
      ['OPENAI_API_KEY', 'GROQ_API_KEY', 'built in, for who asks for simulator/chat'],
    );
    assert.deepEqual(loaded.config.routes['simulator/*']?.groups, [[{ provider: 'simulator' }]]);
    assert.deepEqual(loaded.config.routes['*']?.groups, [[{ provider: 'openai' }]]);
    assert.deepEqual(loaded.config.routes['groq/*']?.groups, [[{ provider: 'groq' }]]);
    assert.equal(loaded.origins.get('providers.groq'), 'GROQ_API_KEY');
  });

  it('Gemini is found by either name of its key, and called by its own API', (t) => {
    const settings = Type.Object({ apiKey: Type.String({ secret: true }) }, { additionalProperties: false });
    const found = (env: Record<string, string>) => {
      const { config, discovered } = load(t, '', { env, kinds: [...kinds, { kind: 'gemini', settings }] });
      const apiKey = config.providers['gemini']?.settings['apiKey'];
      const key = apiKey instanceof Secret ? apiKey.reveal() : apiKey;
      return [config.providers['gemini']?.kind, key, discovered.slice(0, -1).map(({ because }) => because)];
    };
    assert.deepEqual(found({ GEMINI_API_KEY: 'g' }), ['gemini', 'g', ['GEMINI_API_KEY']]);
    assert.deepEqual(found({ GOOGLE_API_KEY: 'o' }), ['gemini', 'o', ['GOOGLE_API_KEY']]);
    assert.deepEqual(found({ GEMINI_API_KEY: 'g', GOOGLE_API_KEY: 'o' }), ['gemini', 'g', ['GEMINI_API_KEY']]);
    assert.deepEqual(found({ GEMINI_API_KEY: '', GOOGLE_API_KEY: 'o' }), ['gemini', 'o', ['GOOGLE_API_KEY']]);
  });

  it('OPENAI_BASE_URL is taken with and without a key', (t) => {
    const url = 'http://127.0.0.1:8000/v1';
    assert.deepEqual(baseUrls(load(t, '', { env: { OPENAI_BASE_URL: url, OPENAI_API_KEY: 'o' } })), { openai: url });
    assert.deepEqual(baseUrls(load(t, '', { env: { OPENAI_BASE_URL: url } })), { openai: url });
  });

  it('Anthropic is found by its key, and ANTHROPIC_BASE_URL is completed as Anthropic’s own clients do', (t) => {
    const settings = Type.Object(
      { baseUrl: Type.String(), apiKey: Type.String({ secret: true }) },
      { additionalProperties: false },
    );
    const found = (env: Record<string, string>) =>
      load(t, '', { env, kinds: [...kinds, { kind: 'anthropic', settings }] });
    for (const [url, baseUrl] of [
      ['', 'https://api.anthropic.com/v1'],
      ['http://127.0.0.1:8000', 'http://127.0.0.1:8000/v1'],
      ['http://127.0.0.1:8000/', 'http://127.0.0.1:8000/v1'],
      ['http://127.0.0.1:8000/v1', 'http://127.0.0.1:8000/v1'],
    ] as const) {
      const loaded = found({ ANTHROPIC_API_KEY: 'a', ANTHROPIC_BASE_URL: url });
      assert.equal(loaded.config.providers['anthropic']?.kind, 'anthropic');
      assert.deepEqual(baseUrls(loaded), { anthropic: baseUrl });
    }
    const alone = found({ ANTHROPIC_BASE_URL: 'http://127.0.0.1:8000' });
    assert.deepEqual(Object.keys(alone.config.providers), ['simulator']);
  });

  it('a wrong OPENAI_BASE_URL is named as what is wrong', (t) => {
    const problems = problemsOf(() => load(t, '', { env: { OPENAI_BASE_URL: 'nowhere' } }));
    assert.deepEqual(places(problems), ['OPENAI_BASE_URL providers.openai.baseUrl']);
  });

  it('and without keys the simulator answers, and says why', (t) => {
    const { config, discovered } = load(t, '', { env: { OPENAI_API_KEY: '' } });
    assert.deepEqual(Object.keys(config.providers), ['simulator']);
    assert.match(discovered[0]?.because ?? '', /no provider is configured/);
  });

  it('nothing is found beside providers that the file names', (t) => {
    const loaded = load(t, 'providers: { a: { kind: simulator } }', { env: { OPENAI_API_KEY: 'o' } });
    assert.deepEqual(Object.keys(loaded.config.providers), ['a']);
    assert.deepEqual(loaded.discovered, []);
  });
});
