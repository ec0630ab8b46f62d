/** Which parts a stack has, and what would stand in the way of starting them. Starts nothing. */
import { existsSync, statSync } from 'node:fs';
import type { Layout } from './layout.ts';
import { HUBS_MAX, HUBS_MIN, PORT_OFFSET_MAX } from './layout.ts';
import type { Part } from './part.ts';
import { drillUpstreamPart } from './parts/drill-upstream.ts';
import { hubPart } from './parts/hub.ts';
import { MONITORING_PROGRAMS, monitoringParts } from './parts/monitoring.ts';
import { nginxPart } from './parts/nginx.ts';
import { postgresPart } from './parts/postgres.ts';
import { redisPart } from './parts/redis.ts';
import { portProblems } from './ports.ts';
import { findProgram, findPrograms } from './programs.ts';

export interface StackPlan {
  readonly folder: string;
  /** Each after what it needs. */
  readonly parts: readonly Pick<Part, 'name' | 'needs' | 'command' | 'binds'>[];
  /** Ports that are taken, and a file in the place of the folder, in words. */
  readonly problems: readonly string[];
}

/** Throws where the options ask for what cannot be, and where programs are missing. */
export function partsOf(layout: Layout): Part[] {
  const { hubs, portOffset, monitoring, only, drills } = layout.options;
  requireHubs(hubs);
  if (!Number.isInteger(portOffset) || portOffset < 0 || portOffset > PORT_OFFSET_MAX)
    throw new Error(`Ports are moved by a whole number from 0 to ${PORT_OFFSET_MAX}, not by ${portOffset}.`);
  const files = findPrograms([
    'postgres',
    'initdb',
    'redis-server',
    'nginx',
    ...(monitoring ? MONITORING_PROGRAMS : []),
  ] as const);
  const all = [
    postgresPart(layout, files),
    redisPart(layout, 'cache', files['redis-server']),
    redisPart(layout, 'state', files['redis-server']),
    ...numbers(hubs).map((number) => hubPart(layout, number)),
    nginxPart(layout, files.nginx),
    ...(drills === true ? [drillUpstreamPart(layout)] : []),
    ...(monitoring ? monitoringParts(layout, files, findProgram('grafana')) : []),
  ];
  return only === undefined ? all : withNeeds(all, only);
}

export async function planOf(layout: Layout): Promise<StackPlan> {
  const parts = partsOf(layout);
  const sorted: Part[] = [];
  const add = (part: Part): void => {
    if (sorted.includes(part)) return;
    for (const needed of parts.filter(({ name }) => part.needs.includes(name))) add(needed);
    sorted.push(part);
  };
  parts.forEach(add);
  const shown = sorted.map(({ name, needs, command, binds }) => ({ name, needs, command, binds }));
  return {
    folder: layout.options.folder,
    parts: shown,
    problems: [...folderProblems(layout.options.folder), ...(await portProblems(sorted, layout.options.portOffset))],
  };
}

function folderProblems(folder: string): string[] {
  const isOther = existsSync(folder) && !statSync(folder).isDirectory();
  return isOther ? [`${folder} is a file, and no folder for the stack. Take another --folder.`] : [];
}

/** Throws for a name that no part has. */
function withNeeds(parts: readonly Part[], names: readonly string[]): Part[] {
  const wanted = new Set<string>();
  const want = (name: string): void => {
    if (wanted.has(name)) return;
    const part = parts.find((each) => each.name === name);
    if (part === undefined)
      throw new Error(`There is no part "${name}". There are: ${parts.map((each) => each.name).join(', ')}.`);
    wanted.add(name);
    part.needs.forEach(want);
  };
  names.forEach(want);
  return parts.filter(({ name }) => wanted.has(name));
}

/** 1 to `count`. */
export function numbers(count: number): number[] {
  return Array.from({ length: count }, (_, at) => at + 1);
}

export function requireHubs(count: number): void {
  if (!Number.isInteger(count) || count < HUBS_MIN || count > HUBS_MAX)
    throw new Error(`A stack has ${HUBS_MIN} to ${HUBS_MAX} hubs, not ${count}.`);
}
