/** Where everything of a stack is: its folder on disk, its ports, the files that ship with the project. */
import { existsSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { messageOf } from '#core/errors';
import { makeFolder as make } from '#config/index';
import type { Receivers } from '#config/index';
import type { HubBounds } from './nginx/hub-bounds.ts';

/** What a stack follows of its hubs' configuration. */
export interface Followed {
  /** `server.shutdownGraceMs`: no hub is killed before. By default 30 s. */
  readonly shutdownGraceMs?: number | undefined;
  /** Of the balancer; by default what fits a hub's own defaults. */
  readonly hubBounds?: HubBounds | undefined;
}

export interface StackOptions extends Followed {
  /** Its data, logs and state. */
  readonly folder: string;
  /** 2 to `HUBS_MAX`. */
  readonly hubs: number;
  /** Added to every port. */
  readonly portOffset: number;
  /** `host:port` of the balancer; by default 80, or 8080 where this user may not. */
  readonly listen?: string | undefined;
  /** The hubs' configuration; without it each finds providers by itself. */
  readonly configFile?: string | undefined;
  /** A key that every hub takes as an admin's at its start. */
  readonly adminKeyFile?: string | undefined;
  readonly tls?: { readonly listen: string; readonly certificate: string; readonly key: string } | undefined;
  /** Prometheus, Alertmanager and the exporters. */
  readonly monitoring: boolean;
  /** Who hears of alerts; nobody by default. */
  readonly receivers?: Receivers | undefined;
  /** For `revoagent drill`: an upstream that can be made ill, hubs that call it, and alerts whose times are shortened. */
  readonly drills?: boolean | undefined;
  /** These parts and what they need; all by default. */
  readonly only?: readonly string[] | undefined;
}

export const HUBS_MIN = 2;
export const HUBS_MAX = 10;

const PORTS = {
  balancer: 8080,
  balancerStatus: 8081,
  hub: 12001,
  postgres: 12432,
  redisCache: 12379,
  redisState: 12380,
  prometheus: 9090,
  alertmanager: 9093,
  nodeExporter: 9100,
  redisCacheExporter: 9121,
  redisStateExporter: 9122,
  postgresExporter: 9187,
  nginxExporter: 9113,
  grafana: 3001,
  drillUpstream: 12590,
  drillSpare: 12591,
  drillControl: 12592,
} as const;

export type PortName = keyof typeof PORTS;

/** With more there would be no such port. */
export const PORT_OFFSET_MAX = 65_535 - Math.max(...Object.values(PORTS));

/** Of the path of a socket (unix(7)), less the longest that lies in the folder. */
const FOLDER_BYTES_MAX = 107 - '/postgres/.s.PGSQL.65535'.length;

export class Layout {
  readonly options: StackOptions;

  /** Throws where no socket could lie in the folder. */
  constructor(options: StackOptions) {
    const { folder } = options;
    if (Buffer.byteLength(folder) > FOLDER_BYTES_MAX)
      throw new Error(
        `${folder} is too long a path: sockets lie in it, and the system takes no longer ones. Take another --folder, of ${FOLDER_BYTES_MAX} bytes at most.`,
      );
    this.options = options;
  }

  port(name: PortName): number {
    return PORTS[name] + this.options.portOffset;
  }

  local(name: PortName): string {
    return `127.0.0.1:${this.port(name)}`;
  }

  hubAddress(number: number): string {
    return `127.0.0.1:${this.port('hub') + number - 1}`;
  }

  get listen(): string {
    const { listen, portOffset } = this.options;
    if (listen !== undefined) return listen;
    return portOffset === 0 && process.getuid?.() === 0 ? '127.0.0.1:80' : this.local('balancer');
  }

  /** What the hubs are started with. */
  get configFile(): string | undefined {
    return this.options.drills === true ? this.in('drill', 'revoagent.json') : this.options.configFile;
  }

  /** What the node exporter reads beside the machine. */
  get textfiles(): string {
    return this.in('node-exporter');
  }

  in(...names: readonly string[]): string {
    return path.join(this.options.folder, ...names);
  }
}

/** Of a stack, with that of its logs. Throws with what to do where it cannot be made. */
export function makeFolder(folder: string): void {
  try {
    make(folder, 0o755);
    make(path.join(folder, 'logs'), 0o700);
  } catch (error) {
    throw new Error(`The stack has no place: ${messageOf(error)}. Take another --folder.`, { cause: error });
  }
}

/** A file that ships with the project, two folders above the source and `dist/` alike. */
export function shipped(...names: readonly string[]): string {
  const file = fileURLToPath(new URL(`../../${names.join('/')}`, import.meta.url));
  if (!existsSync(file)) throw new Error(`${file} is missing: the installation is not whole`);
  return file;
}
