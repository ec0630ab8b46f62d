/**
 * Loads the configuration: defaults < file < environment < flags, each value with its origin, every error at once. The only
 * place that reads the process's environment. It reads; it does not watch, and it starts nothing.
 */
import { existsSync } from 'node:fs';
import path from 'node:path';
import type { TSchema } from 'typebox';
import { check, nearestOf, unknownKey } from './check.ts';
import { contradictions } from './contradictions.ts';
import { discoverProviders, ollamaAddress } from './discover.ts';
import type { Discovered, LocalOllama } from './discover.ts';
import { ENVIRONMENT, FILE_VARIABLE, isServiceLink, NO_SETTINGS } from './environment.ts';
import { externalProblems, externalSchema, secretProblems } from './external.ts';
import type { ExternalConfig } from './external.ts';
import { dotted, escapePointer, readConfigFile } from './file.ts';
import type { Environment } from './file.ts';
import { nameProblems } from './names.ts';
import { ConfigError } from './problem.ts';
import type { Problem } from './problem.ts';
import type { LimitsConfig } from './limits.ts';
import { priceSchema } from './prices.ts';
import type { PriceConfig } from './prices.ts';
import { checkedRedis } from './redis.ts';
import type { RedisConfig } from './redis.ts';
import { routeSchema } from './routes.ts';
import type { RouteConfig } from './routes.ts';
import { propertiesOf, sections } from './schema.ts';
import type { Config, KindSchema, ProviderConfig } from './schema.ts';
import { telemetryProblems } from './telemetry.ts';
import type { TelemetryConfig } from './telemetry.ts';
import { withSecretFiles } from './secret-files.ts';
import { asRecord, fill, parsed, sealed } from './values.ts';

export interface LoadOptions {
  /** The file; without it REVOAGENT_CONFIG, then `revoagent.yaml`, `.yml` or `.json` in the working directory. */
  readonly file?: string | undefined;
  /** Values by path (`server.port`), as the command line gave them. */
  readonly flags?: Readonly<Record<string, string | undefined>>;
  readonly kinds: readonly KindSchema[];
  /** An Ollama that answered at `Loaded.ollamaAddress`. */
  readonly ollama?: LocalOllama | undefined;
  readonly env?: Environment;
  readonly cwd?: string;
}

export interface Loaded {
  readonly config: Config;
  /** Origin by dotted path. */
  readonly origins: ReadonlyMap<string, string>;
  readonly file: string | null;
  readonly discovered: readonly Discovered[];
  /** Where an Ollama may be, for who loads to ask and to load again with what was found; undefined where providers are configured. */
  readonly ollamaAddress: string | undefined;
}

const FILE_NAMES = ['revoagent.yaml', 'revoagent.yml', 'revoagent.json'];

/** The key that a command shows to a hub elsewhere. */
export const clientKey = (): string | undefined => process.env['REVOAGENT_KEY'];

/** The environment for a child process: this one's, with these. */
export function environmentWith(extra: Readonly<Record<string, string>>): Record<string, string> {
  const all: Record<string, string> = {};
  for (const [name, text] of Object.entries({ ...process.env, ...extra })) if (text !== undefined) all[name] = text;
  return all;
}

/** Throws `ConfigError` with every problem there is. */
export function loadConfig(options: LoadOptions): Loaded {
  const env = withSecretFiles(options.env ?? process.env);
  const cwd = options.cwd ?? process.cwd();
  // Compose and Kubernetes set a variable that nobody gave a value to the empty text: it is as none, as with all others.
  const file = options.file ?? (env[FILE_VARIABLE] || FILE_NAMES.find((name) => existsSync(path.join(cwd, name))));
  const loader = new Loader(options, env, file === undefined ? cwd : path.dirname(path.resolve(cwd, file)));
  if (file !== undefined) loader.readFile(path.resolve(cwd, file), file);
  loader.readEnvironment();
  loader.readFlags(options.flags ?? {});
  return { ...loader.finish(), file: file === undefined ? null : path.resolve(cwd, file) };
}

class Loader {
  readonly #kinds: readonly KindSchema[];
  readonly #ollama: LocalOllama | undefined;
  readonly #env: Environment;
  readonly #folder: string;
  readonly #origins = new Map<string, string>();
  readonly #problems: Problem[] = [];
  #values: Record<string, unknown> = {};
  #fromEnvironment: ReadonlySet<string> = new Set();

  /** `folder`: what paths in the file are relative to. */
  constructor({ kinds, ollama }: LoadOptions, env: Environment, folder: string) {
    this.#folder = folder;
    this.#kinds = kinds;
    this.#ollama = ollama;
    this.#env = env;
  }

  readFile(file: string, shown: string): void {
    const { value, origins, fromEnvironment, problems } = readConfigFile(file, this.#env);
    this.#fromEnvironment = fromEnvironment;
    this.#problems.push(...problems.map((problem) => ({ ...problem, origin: problem.origin.replace(file, shown) })));
    for (const [pointer, origin] of origins) this.#origins.set(pointer, origin.replace(file, shown));
    if (value === undefined || value === null) return;
    if (typeof value !== 'object' || Array.isArray(value)) {
      this.#problems.push({ path: '', origin: shown, message: 'must hold keys and values, such as "server:"' });
      return;
    }
    this.#values = { ...value };
    delete this.#values['$schema'];
  }

  readEnvironment(): void {
    for (const [name, text] of Object.entries(this.#env)) {
      if (!name.startsWith('REVOAGENT_') || NO_SETTINGS.includes(name) || name in ENVIRONMENT) continue;
      if (isServiceLink(name, text)) continue;
      const message = unknownKey(name, [...Object.keys(ENVIRONMENT), FILE_VARIABLE]);
      this.#problems.push({ path: '', origin: `env ${name}`, message });
    }
    for (const [name, at] of Object.entries(ENVIRONMENT)) {
      const text = this.#env[name];
      if (text !== undefined && text !== '' && !isServiceLink(name, text)) this.#set(at, text, `env ${name}`);
    }
  }

  readFlags(flags: Readonly<Record<string, string | undefined>>): void {
    for (const [at, text] of Object.entries(flags)) {
      if (text !== undefined)
        this.#set(
          at,
          text,
          `flag --${(at.split('.').at(-1) ?? '').replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}`,
        );
    }
  }

  finish(): Omit<Loaded, 'file'> {
    const known = [...Object.keys(sections), 'providers', 'routes', 'external', 'prices'];
    for (const key of Object.keys(this.#values)) {
      if (!known.includes(key))
        this.#problems.push({
          path: key,
          origin: this.#originOf(`/${escapePointer(key)}`),
          message: unknownKey(key, known),
        });
    }
    const filled: Record<string, unknown> = {};
    for (const [name, schema] of Object.entries(sections)) {
      const value = this.#fill(schema, this.#values[name], `/${name}`);
      this.#check(schema, value, `/${name}`);
      filled[name] = sealed(schema, value);
    }
    const { providers, names, discovered, mayAsk } = this.#providers();
    const routes = this.#routes(names);
    const external = this.#external();
    const prices = this.#prices();
    // What the environment offers may differ from one start to the next; what is written is all there is.
    const { embeddingModel } = asRecord(filled['memory']);
    const all = { providers: names, routes: Object.keys(routes), prices: Object.keys(prices), embeddingModel };
    if (!mayAsk) for (const [at, message] of nameProblems(all)) this.#problem(at, message);
    this.#checkLimits(filled['limits'], [
      ...Object.keys(routes),
      ...Object.keys(external).map((api) => `external:${api}`),
    ]);
    const redis = this.#redis(filled['redis']);
    this.#checkTelemetry(filled['telemetry']);
    if (this.#problems.length > 0) throw new ConfigError(this.#problems);
    // Each section was held against its schema just now, and the type says what the schema says.
    const config = { ...filled, redis, providers, routes, external, prices } as Config;
    const isWritten = (pointer: string): boolean => this.#origins.get(pointer) !== 'default';
    for (const [at, message] of contradictions(config, isWritten)) this.#problem(at, message);
    if (this.#problems.length > 0) throw new ConfigError(this.#problems);
    const { openMs, openMsMax } = config.resilience.breaker;
    // Who writes the first wait alone has said nothing against its length.
    const longest = isWritten('/resilience/breaker/openMsMax') ? openMsMax : Math.max(openMs, openMsMax);
    const breaker = { ...config.resilience.breaker, openMsMax: longest };
    return {
      config: { ...config, resilience: { ...config.resilience, breaker } },
      discovered,
      ollamaAddress: mayAsk ? ollamaAddress(this.#env) : undefined,
      origins: new Map([...this.#origins].map(([pointer, origin]) => [dotted(pointer), origin])),
    };
  }

  /** `names` are those that are written, valid or not: a route to a provider with a mistake in it is no second mistake. */
  #providers(): {
    providers: Record<string, ProviderConfig>;
    names: string[];
    discovered: readonly Discovered[];
    /** Nothing is configured. */
    mayAsk: boolean;
  } {
    const given = this.#values['providers'];
    const discovery = given === undefined || given === null ? discoverProviders(this.#env, this.#ollama) : undefined;
    for (const { provider, because } of discovery?.found ?? []) this.#origins.set(`/providers/${provider}`, because);
    const providers: Record<string, ProviderConfig> = {};
    const entries = this.#entries(discovery?.providers ?? given, '/providers');
    for (const [name, value] of entries) {
      const provider = this.#provider(name, value);
      if (provider !== undefined) providers[name] = provider;
    }
    return {
      providers,
      names: entries.map(([name]) => name),
      discovered: discovery?.found ?? [],
      mayAsk: discovery !== undefined,
    };
  }

  #provider(name: string, value: unknown): ProviderConfig | undefined {
    const pointer = `/providers/${escapePointer(name)}`;
    if (!this.#isName(name, pointer)) return undefined;
    const { kind, ...settings } = asRecord(value);
    const names = this.#kinds.map((known) => known.kind);
    const known = this.#kinds.find((one) => one.kind === kind);
    if (known === undefined) {
      const nearest = typeof kind === 'string' ? nearestOf(kind, names) : undefined;
      const hint = nearest === undefined ? '' : `; did you mean "${nearest}"?`;
      this.#problem(
        `${pointer}/kind`,
        kind === undefined ? `is required: one of ${names.join(', ')}` : `must be one of ${names.join(', ')}${hint}`,
      );
      return undefined;
    }
    const filled = this.#fill(known.settings, settings, pointer);
    this.#check(known.settings, filled, pointer);
    const sound = asRecord(sealed(known.settings, filled));
    for (const [at, message] of secretProblems(sound)) this.#problem(pointer + at, message);
    return { kind: known.kind, settings: sound };
  }

  #routes(providers: readonly string[]): Record<string, RouteConfig> {
    const given = this.#values['routes'];
    const routes: Record<string, RouteConfig> = {};
    if (given === undefined || given === null) {
      for (const provider of providers) routes[`${provider}/*`] = { groups: [[{ provider }]] };
      const [first] = providers;
      if (first !== undefined) routes['*'] = { groups: [[{ provider: first }]] };
      return routes;
    }
    for (const [name, value] of this.#entries(given, '/routes')) {
      const pointer = `/routes/${escapePointer(name)}`;
      if (/\*./.test(name) || name === '')
        this.#problem(pointer, 'a route is a model name, or a pattern with one * at its end');
      const filled = this.#fill(routeSchema, value, pointer);
      if (!this.#check(routeSchema, filled, pointer)) continue;
      // It was held against the route's schema just now.
      const route = filled as RouteConfig;
      this.#checkTargets(route, name, pointer, providers);
      routes[name] =
        route.guardrail === undefined ? route : { ...route, guardrail: this.#guardrail(route.guardrail, pointer) };
    }
    return routes;
  }

  /** The guardrail with its file's whole path: whoever loads it does not know where the configuration stood. */
  #guardrail(guardrail: NonNullable<RouteConfig['guardrail']>, pointer: string): NonNullable<RouteConfig['guardrail']> {
    const module = path.resolve(this.#folder, guardrail.module);
    if (!existsSync(module)) this.#problem(`${pointer}/guardrail/module`, `there is no file ${module}`);
    return { ...guardrail, module };
  }

  #external(): Record<string, ExternalConfig> {
    const given = this.#values['external'];
    const external: Record<string, ExternalConfig> = {};
    if (given === undefined || given === null) return external;
    for (const [name, value] of this.#entries(given, '/external')) {
      const pointer = `/external/${escapePointer(name)}`;
      const filled = this.#fill(externalSchema, value, pointer);
      if (!this.#isName(name, pointer) || !this.#check(externalSchema, filled, pointer)) continue;
      // It was held against its schema just now.
      const target = sealed(externalSchema, filled) as ExternalConfig;
      for (const [at, message] of externalProblems(target)) this.#problem(pointer + at, message);
      external[name] = target;
    }
    return external;
  }

  /** Whether a section met its schema; where it did not, what else is wrong with it can wait. */
  #isSound(section: string): boolean {
    return !this.#problems.some(({ path: at }) => at === section || at.startsWith(`${section}.`));
  }

  #checkTelemetry(section: unknown): void {
    if (!this.#isSound('telemetry')) return;
    for (const [at, message] of telemetryProblems(section as TelemetryConfig))
      this.#problem(`/telemetry${at}`, message);
  }

  #checkLimits(section: unknown, routes: readonly string[]): void {
    // As with redis: where the schema found a fault, this can wait.
    if (this.#problems.length > 0) return;
    // A typing mistake there would limit nothing.
    for (const name of Object.keys((section as LimitsConfig).routes.named)) {
      const pointer = `/limits/routes/named/${escapePointer(name)}`;
      if (!routes.includes(name)) this.#problem(pointer, unknownKey(name, routes));
    }
  }

  #redis(section: unknown): RedisConfig {
    if (!this.#isSound('redis')) return {};
    const { redis, problems } = checkedRedis(section as RedisConfig, this.#folder);
    for (const [at, message] of problems) this.#problem(`/redis${at}`, message);
    return redis;
  }

  /** Whether it may stand in an address, a breaker's key and a metric. */
  #isName(name: string, pointer: string): boolean {
    const good = /^[a-z0-9][a-z0-9._-]{0,63}$/.test(name);
    if (!good) this.#problem(pointer, 'must be named with small letters, digits, ".", "_" and "-", 64 at most');
    return good;
  }

  #checkTargets(route: RouteConfig, name: string, pointer: string, providers: readonly string[]): void {
    route.groups.forEach((group, row) =>
      group.forEach((target, column) => {
        const at = `${pointer}/groups/${row}/${column}`;
        if (!providers.includes(target.provider))
          this.#problem(`${at}/provider`, `"${target.provider}" ${unknownKey(target.provider, providers)}`);
        if (target.model === undefined && !name.endsWith('*'))
          this.#problem(`${at}/model`, 'is required, since this route is no pattern that could pass the model name on');
      }),
    );
  }

  #prices(): Record<string, PriceConfig> {
    const prices: Record<string, PriceConfig> = {};
    const given = this.#values['prices'];
    if (given === undefined || given === null) return prices;
    for (const [name, value] of this.#entries(given, '/prices')) {
      const pointer = `/prices/${escapePointer(name)}`;
      if (/\*./.test(name) || !/[/*]/.test(name))
        this.#problem(pointer, 'a price is for provider/model, or for a pattern with one * at its end');
      const filled = this.#fill(priceSchema, value, pointer);
      // It is held against the price's schema just now.
      if (this.#check(priceSchema, filled, pointer)) prices[name] = filled as PriceConfig;
    }
    return prices;
  }

  /** Adds what is wrong with a value; a text whose reference already failed is not held against it again. */
  #check(schema: TSchema, value: unknown, base: string): boolean {
    const reported = new Set(this.#problems.map(({ path: at }) => at));
    const problems = check(schema, value, base, (pointer) => this.#originOf(pointer));
    this.#problems.push(...problems.filter(({ path: at }) => !reported.has(at)));
    return problems.length === 0;
  }

  /** The pairs of an object; anything else is a problem. */
  #entries(value: unknown, pointer: string): [string, unknown][] {
    const entries = Object.entries(asRecord(value));
    if (entries.length === 0)
      this.#problem(pointer, 'must hold at least one name with what belongs to it; leave the key out for the default');
    return entries;
  }

  #fill(schema: TSchema, value: unknown, pointer: string): unknown {
    return fill(schema, value, pointer, { fromEnvironment: this.#fromEnvironment, origins: this.#origins });
  }

  #set(at: string, text: string, origin: string): void {
    const parts = at.split('.');
    const schema = parts.reduce<TSchema>((inner, part) => propertiesOf(inner)[part] ?? {}, { properties: sections });
    let section = this.#values;
    for (const part of parts.slice(0, -1)) {
      const inner = section[part] ?? {};
      if (inner !== asRecord(inner)) return; // Not a group, as its schema will say.
      section[part] = { ...inner };
      section = asRecord(section[part]);
    }
    section[parts.at(-1) ?? ''] = parsed(schema, text);
    this.#origins.set(`/${parts.join('/')}`, origin);
  }

  #problem(pointer: string, message: string): void {
    this.#problems.push({ path: dotted(pointer), origin: this.#originOf(pointer), message });
  }

  /** Where a value came from; for one that is missing, where its nearest surroundings did. */
  #originOf(pointer: string): string {
    for (let at = pointer; ; at = at.slice(0, at.lastIndexOf('/'))) {
      const origin = this.#origins.get(at);
      if (origin !== undefined) return origin;
      if (at === '') return '';
    }
  }
}
