/**
 * The pages of the hub and what they load. Read once when the server is made, served by name: no path of a request reaches the
 * disk. Nothing comes from elsewhere, so they work offline and under a strict policy.
 */
import { readFileSync } from 'node:fs';
import type { Answer } from './answer.ts';
import { Precompressed } from './compression.ts';
import { revalidated } from './etag.ts';
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
  const type = TYPES[name.slice(name.lastIndexOf('.') + 1)] ?? 'application/octet-stream';
  return [name, { contentType: `${type}; charset=utf-8`, bytes: new Precompressed(bytes) }];
}

/** Null for a file that is not one of ours. */
export function assetAnswer(assets: Assets, name: string, context: RequestContext): Answer | null {
  const asset = assets.get(name);
  if (asset === undefined) return null;
  const { contentType, bytes } = asset;
  return revalidated(context, contentType, bytes, {
    'content-security-policy': POLICY,
    'cache-control': 'no-cache',
    // Only behind TLS may a page ask for TLS for a year: on plain HTTP it would lock people out of their own machine.
    ...(context.incoming.headers['x-forwarded-proto'] === 'https' && {
      'strict-transport-security': 'max-age=31536000',
    }),
  });
}
