/** What a balancer's configuration is made from, checked: everything ends up in a file that nginx reads as statements. */
import { limits } from '#core/limits';

export interface NginxInstance {
  /** The instance's name in the hub's configuration (`server.instance`): the value of the route cookie. */
  readonly name: string;
  /** `host:port`. */
  readonly address: string;
}

export interface NginxTls {
  /** Files that nginx reads: the chain and its key, in PEM. */
  readonly certificate: string;
  readonly key: string;
  /** `host:port`. The plain address then only leads here. */
  readonly listen: string;
}

export interface NginxOptions {
  /** 1 to 64. */
  readonly instances: readonly NginxInstance[];
  /** `host:port`. */
  readonly listen: string;
  readonly tls?: NginxTls | undefined;
  /** `host:port` of nginx's own figures; keep it private. */
  readonly statusListen: string;
  /** As `nginx -v` says: what nginx understands depends on it. */
  readonly version: NginxVersion;
  /** A folder of its own for the process id, logs and what does not fit into memory. */
  readonly folder: string;
  /** Largest request body, in bytes; the hub's bound and a little more, so that the hub's own error is seen. */
  readonly bodyBytesMax: number;
  /** Longest line of a request's head, in bytes: as long as a hub takes all of them together, so that its own error is seen. */
  readonly headerBytesMax: number;
  /** Requests a second of one address, with twice as many at once. */
  readonly requestsPerSecond: number;
  /** Connections of one address. */
  readonly connectionsMax: number;
  /**
   * Requests of one hub at the same time that call upstreams; an eighth more while it stands in for others; 0: any
   * number, for an address with many hubs behind it. Less than the hub's own bound.
   */
  readonly requestsInFlightMax: number;
  /** Seconds nothing may come from a hub: longer than its longest answer. */
  readonly readTimeoutS: number;
  /** Seconds that requests and sockets under way may go on once NGINX is told to end, or to read its configuration again. */
  readonly shutdownTimeoutS: number;
}

export interface NginxVersion {
  readonly major: number;
  readonly minor: number;
  readonly patch: number;
}

/** With so much over the hub's own bound, a body that is just too large gets the hub's words. */
export const BODY_BYTES_MORE = 1024 * 1024;

export const defaults = {
  bodyBytesMax: limits.bodyBytesMax + BODY_BYTES_MORE,
  headerBytesMax: limits.headerBytesMax,
  requestsPerSecond: 200,
  connectionsMax: 1_000,
  requestsInFlightMax: 1_024,
  readTimeoutS: 3_660,
  shutdownTimeoutS: 60,
} as const;

const NAME = /^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$/;
const ADDRESS = /^(?:[A-Za-z0-9.-]{1,253}|\[[0-9A-Fa-f:.]{2,45}\]):(\d{1,5})$/;
const FILE = /^[^\p{Cc}"'\\;{}$]{1,4096}$/u;
const INSTANCES_MAX = 64;
/** And the least that each may be. */
const COUNTS = [
  ['bodyBytesMax', 1],
  // With less NGINX has no room for a connection.
  ['headerBytesMax', 1_024],
  ['requestsPerSecond', 1],
  ['connectionsMax', 1],
  ['requestsInFlightMax', 0],
  ['readTimeoutS', 1],
  ['shutdownTimeoutS', 1],
] as const;

/** Of what `nginx -v` prints; throws where that is no version. */
export function parseVersion(text: string): NginxVersion {
  const [, major, minor, patch] = /(?:^|\/)(\d+)\.(\d+)\.(\d+)/.exec(text.trim()) ?? [];
  if (major === undefined)
    throw new Error(`"${text.trim().slice(0, 100)}" is no version of nginx; give one like 1.22.1.`);
  return { major: Number(major), minor: Number(minor), patch: Number(patch) };
}

export function isAtLeast(version: NginxVersion, [major, minor, patch]: readonly [number, number, number]): boolean {
  const order = [version.major - major, version.minor - minor, version.patch - patch];
  return (order.find((difference) => difference !== 0) ?? 0) >= 0;
}

/** Everything that is wrong, in words; nothing where all is well. */
export function problemsOf(options: NginxOptions): string[] {
  const { instances, listen, statusListen, tls, folder } = options;
  const problems: string[] = [];
  if (instances.length === 0 || instances.length > INSTANCES_MAX)
    problems.push(`a balancer needs 1 to ${INSTANCES_MAX} instances, and there are ${instances.length}`);
  for (const { name, address } of instances) {
    if (!NAME.test(name))
      problems.push(`instance name "${name}": letters, digits, ".", "_" and "-", 1 to 63 characters`);
    if (!isAddress(address)) problems.push(`instance ${name}: "${address}" is no host:port`);
  }
  problems.push(...repeated(instances.map(({ name }) => name)).map((name) => `two instances are named "${name}"`));
  problems.push(
    ...repeated(instances.map(({ address }) => address)).map((address) => `two instances are at ${address}`),
  );
  const doors = [listen, statusListen, ...(tls === undefined ? [] : [tls.listen])];
  for (const door of doors) if (!isAddress(door)) problems.push(`"${door}" is no host:port to listen on`);
  problems.push(...repeated(doors).map((door) => `${door} cannot be listened on twice`));
  for (const file of [folder, ...(tls === undefined ? [] : [tls.certificate, tls.key])])
    if (!FILE.test(file)) problems.push(`"${file}" holds characters that a path in nginx's configuration may not have`);
  for (const [name, least] of COUNTS)
    if (!Number.isSafeInteger(options[name]) || options[name] < least)
      problems.push(`${name} must be a whole number from ${least}`);
  return problems;
}

function isAddress(text: string): boolean {
  const port = Number(ADDRESS.exec(text)?.[1] ?? 0);
  return port > 0 && port < 65_536;
}

function repeated(values: readonly string[]): string[] {
  return [...new Set(values.filter((value, at) => values.indexOf(value) !== at))];
}
