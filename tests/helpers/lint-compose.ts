/** What can be known of a compose file without an engine, beyond the specification's schema: everything it names exists, is pinned, bounded and asked after. */
import path from 'node:path';

export interface Compose {
  readonly services: Readonly<Record<string, Service>>;
  readonly volumes: Readonly<Record<string, unknown>>;
  readonly networks: Readonly<
    Record<string, { readonly ipam?: { readonly config?: readonly { readonly subnet: string }[] } }>
  >;
  readonly secrets: Readonly<Record<string, { readonly file?: string }>>;
}

interface Service {
  readonly [key: string]: unknown;
  readonly image?: string;
  readonly build?: { readonly context: string; readonly dockerfile: string };
  readonly healthcheck?: { readonly test?: readonly string[]; readonly disable?: boolean };
  readonly ports?: readonly string[];
  readonly volumes?: readonly string[];
  readonly secrets?: readonly string[];
  readonly networks?: readonly string[] | Readonly<Record<string, { readonly ipv4_address?: string } | null>>;
  readonly depends_on?: Readonly<Record<string, { readonly condition: string }>>;
  readonly environment?: Readonly<Record<string, string>>;
  readonly profiles?: readonly string[];
}

/** Its image holds one program, which cannot ask itself. */
const CANNOT_ASK = ['nginx-exporter'];

/** `exists`: whether a file or folder is there, from the root of the project; made by hand and not checked in: what lies in secrets/. */
export function composeProblems(compose: Compose, exists: (file: string) => boolean): string[] {
  const problems: string[] = [];
  for (const [name, service] of Object.entries(compose.services)) {
    const told = [...shape(name, service), ...references(service, compose), ...files(service, compose, exists)];
    problems.push(...told.map((problem) => `${name}: ${problem}`));
  }
  for (const [name, { file }] of Object.entries(compose.secrets))
    if (file === undefined || !file.startsWith('./secrets/')) problems.push(`secret ${name} is no file in secrets/`);
  const services = Object.values(compose.services);
  problems.push(
    ...twice(
      services.flatMap(({ ports = [] }) => ports.map(hostPort)),
      'port',
    ),
  );
  problems.push(...twice(services.flatMap(addresses), 'address'));
  const used = services.flatMap(({ volumes = [] }) => volumes.map((volume) => volume.split(':')[0]));
  for (const name of Object.keys(compose.volumes))
    if (!used.includes(name)) problems.push(`volume ${name} is not used`);
  return problems;
}

function shape(name: string, service: Service): string[] {
  const problems: string[] = [];
  if (!/:v?\d+\.\d+(\.\d+)?[\w.-]*$/.test(service.image ?? '')) problems.push(`image ${service.image} is not pinned`);
  const { test, disable } = service.healthcheck ?? {};
  const asks = test !== undefined && test.length > 1 && (test[0] === 'CMD' || test[0] === 'CMD-SHELL');
  if (!asks && !(disable === true && CANNOT_ASK.includes(name))) problems.push('has no health check');
  for (const key of ['mem_limit', 'cpus', 'pids_limit', 'restart', 'logging'])
    if (service[key] === undefined) problems.push(`${key} is missing`);
  if (JSON.stringify(service['cap_drop']) !== '["ALL"]') problems.push('keeps capabilities');
  for (const [variable, text] of Object.entries(service.environment ?? {}))
    if (/PASSWORD|SECRET|_KEY|DATABASE_URL/.test(variable) && !variable.endsWith('FILE'))
      problems.push(`${variable} holds a secret: "${text.slice(0, 3)}…"`);
  return problems;
}

function references(service: Service, compose: Compose): string[] {
  const problems: string[] = [];
  const need = (names: readonly string[], known: Readonly<Record<string, unknown>>, what: string): void => {
    for (const name of names) if (!Object.hasOwn(known, name)) problems.push(`${what} ${name} is not declared`);
  };
  need(service.secrets ?? [], compose.secrets, 'secret');
  const { networks = [] } = service;
  need(Array.isArray(networks) ? networks : Object.keys(networks), compose.networks, 'network');
  const upstreams = service.depends_on ?? {};
  need(Object.keys(upstreams), compose.services, 'service');
  for (const [name, { condition }] of Object.entries(upstreams)) {
    if (condition !== 'service_healthy') problems.push(`does not wait until ${name} is healthy`);
    if (compose.services[name]?.profiles !== undefined) problems.push(`waits for ${name}, which may not be there`);
  }
  for (const text of Object.values(service.environment ?? {})) {
    const [, secret] = /^\/run\/secrets\/(.+)$/.exec(text) ?? [];
    if (secret !== undefined && service.secrets?.includes(secret) !== true)
      problems.push(`secret ${secret} is not mounted`);
  }
  for (const address of addresses(service))
    if (
      !Object.values(compose.networks).some(
        ({ ipam }) => ipam?.config?.some(({ subnet }) => inside(address, subnet)) === true,
      )
    )
      problems.push(`${address} is in none of the networks`);
  return problems;
}

function files({ volumes = [], build }: Service, compose: Compose, exists: (file: string) => boolean): string[] {
  const problems: string[] = [];
  for (const volume of volumes) {
    const [source = ''] = withDefaults(volume).split(':');
    if (source === '/') continue;
    const there = source.startsWith('./') ? exists(path.normalize(source)) : Object.hasOwn(compose.volumes, source);
    if (!there) problems.push(`${source} is not there to be mounted`);
  }
  if (build !== undefined && !exists(path.join(build.context, build.dockerfile)))
    problems.push(`${build.dockerfile} is not there to be built`);
  return problems;
}

/** `${NAME:-default}` as Compose reads it without the variable. */
function withDefaults(text: string): string {
  return text.replace(/\$\{\w+:-([^}]*)\}/g, '$1');
}

function hostPort(port: string): string {
  return withDefaults(port).split(':').at(-2) ?? port;
}

function addresses({ networks = [] }: Service): string[] {
  return Array.isArray(networks) ? [] : Object.values(networks).flatMap((each) => each?.ipv4_address ?? []);
}

/** For the /24 networks that are used here. */
function inside(address: string, subnet: string): boolean {
  return subnet.endsWith('.0/24') && address.startsWith(subnet.slice(0, -'0/24'.length));
}

function twice(values: readonly string[], what: string): string[] {
  return [...new Set(values.filter((value, at) => values.indexOf(value) !== at))].map(
    (value) => `${what} ${value} is used twice`,
  );
}
