/**
 * The pages of the hub and what they load. Read once when the server is made, served by name: no path of a request reaches the
 * disk. Nothing comes from elsewhere, so they work offline and under a strict policy.
 */
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import type { Answer } from './answer.ts';
import { Precompressed } from './compression.ts';
import type { RequestContext } from './request-context.ts';

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
  readonly bytes: Precompressed;
  readonly etag: string;
}

export type Assets = ReadonlyMap<string, Asset>;

export function readAssets(): Assets {
  const own = ['status.html', 'status.css', 'status.js', 'docs.html', 'docs.css', 'docs.js', 'icon.svg'];
  return new Map([
    ...own.map((name) => readAsset(name, new URL(`assets/${name}`, import.meta.url))),
    readAsset('swagger-ui.css', new URL(import.meta.resolve('@fastify/swagger-ui/static/swagger-ui.css'))),
    readAsset('swagger-ui-bundle.js', new URL(import.meta.resolve('@fastify/swagger-ui/static/swagger-ui-bundle.js'))),
  ]);
}

function readAsset(name: string, file: URL): [string, Asset] {
  const bytes = readFileSync(file);
  const etag = `W/"${createHash('sha256').update(bytes).digest('base64url').slice(0, 22)}"`;
  const type = TYPES[name.slice(name.lastIndexOf('.') + 1)] ?? 'application/octet-stream';
  return [name, { contentType: `${type}; charset=utf-8`, bytes: new Precompressed(bytes), etag }];
}

/** Null for a file that is not one of ours. */
export function assetAnswer(assets: Assets, name: string, { incoming }: RequestContext): Answer | null {
  const asset = assets.get(name);
  if (asset === undefined) return null;
  const { contentType, bytes, etag } = asset;
  const headers = {
    'content-security-policy': POLICY,
    'cache-control': 'no-cache',
    // The same whatever the encoding: weak, since the bytes differ.
    etag,
    // Only behind TLS may a page ask for TLS for a year: on plain HTTP it would lock people out of their own machine.
    ...(incoming.headers['x-forwarded-proto'] === 'https' ? { 'strict-transport-security': 'max-age=31536000' } : {}),
  };
  return incoming.headers['if-none-match'] === etag
    ? { kind: 'bytes', status: 304, contentType, bytes: '', headers }
    : { kind: 'bytes', status: 200, contentType, bytes, headers };
}
