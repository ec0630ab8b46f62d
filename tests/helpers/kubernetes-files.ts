/** The manifests as they are checked in: which folders there are, and what is in the files that their kustomizations name. */
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { parse } from 'yaml';

export const KUBERNETES = fileURLToPath(new URL('../../deploy/kubernetes', import.meta.url));

export const FOLDERS = [
  'base',
  'components/request-rate',
  'components/monitoring',
  'components/gateway-api',
  'components/balancer',
  'components/redis',
  'overlays/single-node',
] as const;

export interface Kustomization {
  readonly resources: readonly string[];
  readonly components?: readonly string[];
}

export function kustomization(folder: string): Kustomization {
  return parse(readFileSync(path.join(KUBERNETES, folder, 'kustomization.yaml'), 'utf8')) as Kustomization;
}

/** The files of the folder itself. */
export function manifestTexts(folder: string): string[] {
  return kustomization(folder)
    .resources.filter((file) => file.endsWith('.yaml'))
    .map((file) => readFileSync(path.join(KUBERNETES, folder, file), 'utf8'));
}
