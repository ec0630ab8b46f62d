/** The status page's files, read once, and the headers a page is served with. */
import { readFileSync } from 'node:fs';
import type { IncomingHttpHeaders } from 'node:http';

export interface Assets {
  readonly page: Uint8Array;
  readonly files: ReadonlyMap<string, { readonly contentType: string; readonly bytes: Uint8Array }>;
}

const FILES = { 'status.css': 'text/css', 'status.js': 'text/javascript', 'icon.svg': 'image/svg+xml' } as const;

export function readAssets(): Assets {
  const read = (name: string): Uint8Array => readFileSync(new URL(`assets/${name}`, import.meta.url));
  const files = Object.entries(FILES).map(
    ([name, type]) => [name, { contentType: `${type}; charset=utf-8`, bytes: read(name) }] as const,
  );
  return { page: read('status.html'), files: new Map(files) };
}

const POLICY =
  "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; " +
  "base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/** Only behind TLS may a page ask for TLS for a year: on plain HTTP the header would be ignored or lock people out. */
export function pageHeaders(headers: IncomingHttpHeaders): Record<string, string> {
  const tls = headers['x-forwarded-proto'] === 'https' ? { 'strict-transport-security': 'max-age=31536000' } : {};
  return { 'content-security-policy': POLICY, 'cache-control': 'no-cache', ...tls };
}
