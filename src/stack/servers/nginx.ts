/** An NGINX with its whole configuration in one folder, in the foreground. */
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { environmentWith } from '#config/index';
import type { NginxVersion } from '../nginx/options.ts';
import { parseVersion } from '../nginx/options.ts';
import type { Server } from '../part.ts';
import { answersOk } from '../probes.ts';

export interface NginxServerOptions {
  /** The program's. */
  readonly file: string;
  readonly folder: string;
  /** Its configuration's text, for the version that it has. */
  readonly config: (version: NginxVersion) => string;
  /** Answers as soon as it serves. */
  readonly statusUrl: string;
}

export interface NginxServer extends Server {
  /** Writes its configuration; whether it differs from what was there. Throws, and leaves that, where nginx does not take it. */
  rewrite(): boolean;
}

export function nginxServer({ file, folder, config, statusUrl }: NginxServerOptions): NginxServer {
  const written = path.join(folder, 'nginx.conf');
  const rewrite = (): boolean => {
    const text = config(parseVersion(spawnSync(file, ['-v'], { encoding: 'utf8' }).stderr));
    const next = `${written}.new`;
    writeFileSync(next, text);
    const { status, stderr } = spawnSync(file, ['-t', '-q', '-p', folder, '-c', next], { encoding: 'utf8' });
    if (status !== 0) throw new Error(`nginx does not take its configuration: ${stderr.trim()}`);
    const differs = !existsSync(written) || readFileSync(written, 'utf8') !== text;
    renameSync(next, written);
    return differs;
  };
  return {
    name: 'nginx',
    command: [file, '-p', folder, '-c', written, '-g', 'daemon off;'],
    env: environmentWith({}),
    prepare: () => {
      // Its workers are another user's where root starts it, and reach their folders through this one.
      mkdirSync(folder, { recursive: true, mode: 0o755 });
      rewrite();
    },
    rewrite,
    isReady: (signal) => answersOk(statusUrl, signal),
    readyMs: 10_000,
    // Requests in flight are served to their end.
    stopSignal: 'SIGQUIT',
    stopMs: 10_000,
  };
}
