/**
 * `npm run image`: builds both images by their Dockerfiles without an engine and without a registry of images, starts the hub and the
 * balancer as compose.yaml would, asks them, and says what it saw and what it could not see. Needs root and Debian; takes minutes.
 * Everything lies in a folder that goes afterwards. Ends with 1 where something is not as docs/containers.md promises.
 *
 *   npm run image -- --debian FOLDER    a root filesystem of Debian 12 with ca-certificates and libatomic1, made before
 */
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { parse } from 'yaml';
import { systemClock } from '#core/clock';
import { Builder } from './deploy/containers/build.ts';
import type { Images } from './deploy/containers/build.ts';
import { missing, run } from './deploy/containers/command.ts';
import { Runtime } from './deploy/containers/start.ts';
import type { Container } from './deploy/containers/start.ts';

const ROOT = fileURLToPath(new URL('../', import.meta.url));
const PROGRAMS = ['buildah', 'debootstrap', 'runc', 'ip', 'nsenter'];
const PACKAGES = 'buildah debootstrap runc iproute2 util-linux';
const MEMORY_BYTES = 1024 ** 3;
const SMALL_BYTES = 256 * 1024 ** 2;
const READY_MS = 60_000;
const ASK_MS = 250;
const MB = 1e6;
/** Of the two hubs in compose.yaml, which the balancer's configuration names. */
const HUBS = ['172.30.57.11', '172.30.57.12'] as const;
const BALANCER_ADDRESS = '172.30.57.2';
/** As a hub sees itself and the balancer. */
const OWN = 'http://127.0.0.1:12001';
const BALANCED = `http://${BALANCER_ADDRESS}:8080`;
const CHATS = 20;
/** The balancer writes its log once a second. */
const LOG_MS = 2_000;
const QUESTION = { model: 'simulator/chat', messages: [{ role: 'user', content: 'Hello' }] };
/** SIGKILL: how the kernel ends who outgrew the memory of a container. V8 aborts, with words; as process 1 that is a 139. */
const KILLED = 137;
const ABOVE_OWN_HEAP = 'const kept = []; for (;;) kept.push(new Array(100_000).fill(Math.random()));';
const NOT_SEEN = [
  'the base images of a registry: a Debian and a Node made here stood in for them',
  'an engine: its health checks on time, restarts, published ports, `docker compose up`',
  'the other images of compose.yaml',
  'other processors than this one',
];

interface Answer {
  readonly status: number;
  readonly body: string;
}

let broken = 0;

/** One line of the report. */
function saw(what: string, good: boolean, found: string): void {
  if (!good) broken++;
  console.log(`${good ? 'ok    ' : 'FAILED'}  ${what}: ${found}`);
}

/** Asked from within, because nobody else is in its network. */
function ask(container: Container, url: string, key?: string, body?: unknown): Answer {
  const headers = {
    'content-type': 'application/json',
    ...(key === undefined ? {} : { authorization: `Bearer ${key}` }),
  };
  const options = { method: body === undefined ? 'GET' : 'POST', headers, body: JSON.stringify(body) };
  const script = `fetch(${JSON.stringify(url)}, ${JSON.stringify(options)}).then(async (answer) =>
    console.log(JSON.stringify({ status: answer.status, body: await answer.text() })))`;
  return JSON.parse(container.exec(['node', '-e', script])) as Answer;
}

async function untilReady(container: Container, url: string): Promise<Answer> {
  const begun = systemClock.now();
  for (;;) {
    try {
      const answer = ask(container, url);
      if (answer.status === 200) return answer;
    } catch (error) {
      // Nobody listens yet.
      if (systemClock.now() - begun > READY_MS) throw new Error(`${url}: ${container.said()}`, { cause: error });
    }
    await systemClock.sleep(ASK_MS);
  }
}

function seeChat(what: string, hub: Container, url: string, key: string): void {
  const { status, body } = ask(hub, `${url}/v1/chat/completions`, key, QUESTION);
  const answered = status === 200 && body.includes('"finish_reason":"stop"');
  saw(what, answered, `${status}, ${body.length} bytes`);
}

function checkOf(service: string): readonly string[] | undefined {
  const { services } = parse(readFileSync(path.join(ROOT, 'compose.yaml'), 'utf8'), { merge: true }) as {
    services: Record<string, { healthcheck?: { test?: readonly string[] } }>;
  };
  return services[service]?.healthcheck?.test;
}

/** As Docker has it: the word CMD, then the command. */
function seeHealthCheck(what: string, container: Container, [, ...command]: readonly string[] = []): void {
  container.exec(command);
  saw(what, command.length > 0, 'ends with 0');
}

/** Who the hub is and what it may, as the kernel has it. */
function seeRights(hub: Container): void {
  const status = hub.exec(['cat', '/proc/1/status']);
  const figure = (name: string): string => new RegExp(`^${name}:\\s+(\\S+)`, 'm').exec(status)?.[1] ?? '';
  saw('it is nobody', figure('Uid') === '1000' && figure('NoNewPrivs') === '1', `user ${figure('Uid')}`);
  saw('it has no capabilities', /^0+$/.test(figure('CapEff')) && /^0+$/.test(figure('CapBnd')), figure('CapEff'));
  const write = `try { require('node:fs').writeFileSync('/app/written', ''); } catch (error) { console.log(error.code); }`;
  const refused = hub.exec(['node', '-e', write]).trim();
  saw('its root is read-only', refused === 'EROFS', refused);
  const bytes = Number(hub.exec(['node', '-p', 'v8.getHeapStatistics().heap_size_limit']));
  const share = bytes / MEMORY_BYTES;
  saw('its heap follows its memory', share > 0.6 && share < 0.85, `${Math.round(bytes / MB)} MB of 1,074`);
}

interface Lab {
  readonly runtime: Runtime;
  readonly builder: Builder;
  readonly images: Images;
  readonly key: string;
  /** Resolves when it answers. */
  readonly startHub: (name: string) => Promise<Container>;
}

async function prepare(runtime: Runtime, builder: Builder, images: Images, folder: string): Promise<Lab> {
  const image = builder.inspect(images.hub);
  const common = { image, volumes: ['/var/lib/revoagent'], memoryBytes: MEMORY_BYTES };
  const command = ['node', 'bin/revoagent.js', 'keys', 'generate'];
  const { said } = await runtime.once({ ...common, name: 'key', root: builder.mount(images.hub), command });
  const key = said.trim();
  const secrets = path.join(folder, 'secrets');
  mkdirSync(secrets, { mode: 0o755 });
  writeFileSync(path.join(secrets, 'admin_key'), key, { mode: 0o444 });
  const startHub = async (name: string): Promise<Container> => {
    const hub = await runtime.start({
      ...common,
      name,
      root: builder.mount(images.hub),
      environment: { REVOAGENT_ADMIN_KEY_FILE: '/run/secrets/admin_key', REVOAGENT_INSTANCE: name },
      mounts: { '/run/secrets': secrets },
    });
    await untilReady(hub, `${OWN}/health/ready`);
    return hub;
  };
  return { runtime, builder, images, key, startHub };
}

async function seeHub(lab: Lab): Promise<void> {
  const { runtime, builder, images, key } = lab;
  const image = builder.inspect(images.hub);
  const labels = Object.keys(image.Labels).filter((label) => label.startsWith('org.opencontainers.image.'));
  saw('its labels', labels.length === 5, labels.map((label) => label.split('.').at(-1)).join(', '));
  const [size, base] = [builder.sizeOf(images.hub), builder.sizeOf(images.node)];
  const own = Math.round((size - base) / MB);
  saw('its size', own < 120, `${Math.round(size / MB)} MB with its base, ${own} MB without`);
  const begun = systemClock.now();
  const hub = await lab.startHub('hub1');
  saw('/health/ready', true, `200 after ${((systemClock.now() - begun) / 1_000).toFixed(1)} s`);
  seeChat('a chat', hub, OWN, key);
  const stranger = ask(hub, `${OWN}/api/models`).status;
  saw('who has no key', stranger === 401, String(stranger));
  seeHealthCheck('its health check', hub, image.Healthcheck?.Test);
  seeHealthCheck('that of compose.yaml', hub, checkOf('hub1'));
  seeRights(hub);
  const other = await seeBalancer(lab, hub);
  await seeEnd('the hub', other, image.StopSignal);
  const command = ['node', '-e', ABOVE_OWN_HEAP];
  const greedy = {
    name: 'greedy',
    image,
    root: builder.mount(images.hub),
    volumes: [],
    memoryBytes: SMALL_BYTES,
    command,
  };
  const { code, said } = await runtime.once(greedy);
  const byHeap = code !== KILLED && said.includes('heap out of memory');
  saw('who outgrows 256 MB ends by the heap, not by the kernel', byHeap, `exit code ${code}`);
}

/** The configuration that compose.yaml mounts, word for word, before two hubs, of which the first is killed. Resolves with the other. */
async function seeBalancer({ runtime, builder, images, key, startHub }: Lab, hub: Container): Promise<Container> {
  const other = await startHub('hub2');
  const image = builder.inspect(images.balancer);
  const nginx = await runtime.start({
    name: 'nginx',
    image,
    root: builder.mount(images.balancer),
    volumes: ['/var/lib/balancer'],
    mounts: { '/etc/balancer/nginx.conf': path.join(ROOT, 'deploy/nginx/compose.conf') },
    memoryBytes: SMALL_BYTES,
  });
  connect(hub, HUBS[0], nginx);
  connect(other, HUBS[1], nginx);
  await untilReady(other, `${BALANCED}/health/ready`);
  seeChat('a chat through the balancer', other, BALANCED, key);
  const hidden = ask(other, `${BALANCED}/metrics`, key).status;
  saw('the balancer keeps /metrics to itself', hidden === 404, String(hidden));
  seeHealthCheck("the balancer's health check in compose.yaml", nginx, checkOf('nginx'));
  const user = nginx.exec(['id', '-un']).trim();
  saw('the balancer is nobody', user === 'www-data', user);
  const both = await chatsThrough(nginx, other, key);
  saw('it asks both hubs', both.failed === 0 && both.by === HUBS.join(', '), `${CHATS} chats, by ${both.by}`);
  hub.kill('SIGKILL');
  const one = await chatsThrough(nginx, other, key);
  saw(
    'one hub is killed',
    one.failed === 0 && one.by === HUBS[1],
    `${one.failed} of ${CHATS} chats fail, by ${one.by}`,
  );
  await seeEnd('the balancer', nginx, image.StopSignal);
  return other;
}

/** How many of so many chats failed, and which hubs answered them by the balancer's log. */
async function chatsThrough(nginx: Container, from: Container, key: string): Promise<{ failed: number; by: string }> {
  const logged = nginx.said().length;
  let failed = 0;
  for (let chats = 0; chats < CHATS; chats++)
    if (ask(from, `${BALANCED}/v1/chat/completions`, key, QUESTION).status !== 200) failed++;
  await systemClock.sleep(LOG_MS);
  // Its errors go the same way, in another form.
  const isServed = (line: string): boolean => /^\{.*\/v1\/chat\/completions/.test(line);
  const lines = nginx.said().slice(logged).split('\n').filter(isServed);
  // The last of those that were tried.
  const addresses = lines.map((line) => /"upstream":"(?:[^"]*, )?([\d.]+):\d+"/.exec(line)?.[1] ?? 'nobody');
  return { failed, by: [...new Set(addresses)].toSorted().join(', ') };
}

/** A cable from a hub to the balancer, with the hub at the address that compose.yaml gives it. */
function connect(hub: Container, address: string, nginx: Container): void {
  const cable = `hub-${address.split('.').at(-1)}`;
  const ends = ['type', 'veth', 'peer', 'name', 'eth0', 'netns', String(hub.pid)];
  run('ip', ['link', 'add', cable, 'netns', String(nginx.pid), ...ends]);
  const within = ({ pid }: Container, ...words: string[]): string =>
    run('nsenter', ['--target', String(pid), '--net', 'ip', ...words]);
  within(hub, 'address', 'add', `${address}/24`, 'dev', 'eth0');
  within(hub, 'link', 'set', 'eth0', 'up');
  within(nginx, 'address', 'add', `${BALANCER_ADDRESS}/32`, 'dev', cable);
  within(nginx, 'link', 'set', cable, 'up');
  within(nginx, 'route', 'add', address, 'dev', cable, 'src', BALANCER_ADDRESS);
}

async function seeEnd(who: string, container: Container, signal: string): Promise<void> {
  const begun = systemClock.now();
  container.kill(signal);
  const code = await container.ended;
  saw(`${who} ends at ${signal}`, code === 0, `exit code ${code} after ${Math.round(systemClock.now() - begun)} ms`);
}

async function main(): Promise<void> {
  const { values } = parseArgs({ options: { debian: { type: 'string' } } });
  const lacking = missing(PROGRAMS);
  if (lacking.length > 0)
    throw new Error(`Not installed: ${lacking.join(', ')}. Run: apt-get install --no-install-recommends ${PACKAGES}`);
  if (process.getuid?.() !== 0) throw new Error('Only root may make a root filesystem and start containers this way.');
  const folder = mkdtempSync(path.join(tmpdir(), 'revoagent-image-'));
  const runtime = new Runtime(path.join(folder, 'containers'));
  const builder = new Builder(folder, ROOT);
  const clear = (): void => {
    runtime.close();
    rmSync(folder, { recursive: true, force: true });
  };
  for (const signal of ['SIGINT', 'SIGTERM'] as const)
    process.once(signal, () => {
      clear();
      process.exit(1);
    });
  try {
    const images = builder.build(values.debian, (text) => console.log(`making  ${text}`));
    await seeHub(await prepare(runtime, builder, images, folder));
  } finally {
    clear();
  }
  console.log(`\nNot seen:\n${NOT_SEEN.map((text) => `  ${text}`).join('\n')}`);
  process.exitCode = broken === 0 ? 0 : 1;
}

await main();
