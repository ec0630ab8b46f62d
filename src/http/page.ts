/**
 * The pages of the hub and what they load. Read once when the server is made, served by name: no path of a request reaches the
 * disk. Nothing comes from elsewhere, so they work offline and under a strict policy.
 */
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import type { Answer } from './operation.ts';
import type { RequestContext } from './request-context.ts';

const VIEWER = '@fastify/swagger-ui/static';
const FILES = {
  'status.html': './assets/status.html',
  'status.css': './assets/status.css',
  'status.js': './assets/status.js',
  'docs.html': './assets/docs.html',
  'docs.css': './assets/docs.css',
  'docs.js': './assets/docs.js',
  'icon.svg': './assets/icon.svg',
  'swagger-ui.css': `${VIEWER}/swagger-ui.css`,
  'swagger-ui-bundle.js': `${VIEWER}/swagger-ui-bundle.js`,
} as const;

const TYPES: Readonly<Record<string, string>> = {
  html: 'text/html',
  css: 'text/css',
  js: 'text/javascript',
  svg: 'image/svg+xml',
};

/** The API viewer draws its icons from data URLs; nobody needs an inline script or style sheet. */
const POLICY =
  "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; " +
  "base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

interface Asset {
  readonly contentType: string;
  readonly bytes: Uint8Array;
  readonly etag: string;
}

export type Assets = ReadonlyMap<string, Asset>;

export function readAssets(): Assets {
  return new Map(
    Object.entries(FILES).map(([name, specifier]) => {
      const bytes = readFileSync(new URL(import.meta.resolve(specifier)));
      const etag = `"${createHash('sha256').update(bytes).digest('base64url').slice(0, 22)}"`;
      const contentType = `${TYPES[name.split('.').at(-1) ?? ''] ?? 'application/octet-stream'}; charset=utf-8`;
      return [name, { contentType, bytes, etag }];
    }),
  );
}

/** Null for a file that is not one of ours. */
export function assetAnswer(assets: Assets, name: string, { incoming }: RequestContext): Answer | null {
  const asset = assets.get(name);
  if (asset === undefined) return null;
  const { contentType, bytes, etag } = asset;
  const headers = {
    'content-security-policy': POLICY,
    'cache-control': 'no-cache',
    etag,
    // Only behind TLS may a page ask for TLS for a year: on plain HTTP it would lock people out of their own machine.
    ...(incoming.headers['x-forwarded-proto'] === 'https' ? { 'strict-transport-security': 'max-age=31536000' } : {}),
  };
  return incoming.headers['if-none-match'] === etag
    ? { kind: 'bytes', status: 304, contentType, bytes: '', headers }
    : { kind: 'bytes', status: 200, contentType, bytes, headers };
}
