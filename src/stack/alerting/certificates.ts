/**
 * When the certificates that a stack serves end, for the node exporter's collector of text files: the alert on certificates reads it. Looked
 * at again and again, since certificates are renewed while the stack runs.
 */
import { X509Certificate } from 'node:crypto';
import { mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import type { Clock, Timer } from '#core/clock';

const LOOK_MS = 60_000;
const FILE = 'certificates.prom';

export interface CertificateParts {
  readonly clock: Clock;
  /** PEM, the leaf first. */
  readonly certificates: readonly string[];
  /** What the exporter is started with. */
  readonly folder: string;
  /** Told once a reason. */
  readonly onFailure: (error: unknown) => void;
}

/** Writes now, and once a minute until it is stopped. A file that cannot be read is left out: then the alert on it has nothing to say. */
export function watchCertificates({ clock, certificates, folder, onFailure }: CertificateParts): { stop(): void } {
  let timer: Timer;
  let told = '';
  const look = (): void => {
    try {
      mkdirSync(folder, { recursive: true, mode: 0o755 });
      writeWhole(path.join(folder, FILE), certificatesText(certificates));
      told = '';
    } catch (error) {
      if (told !== String(error)) onFailure(error);
      told = String(error);
    }
    timer = clock.schedule(LOOK_MS, look);
  };
  look();
  return { stop: () => timer.cancel() };
}

/** In Prometheus' text form; throws where one cannot be read. */
export function certificatesText(files: readonly string[]): string {
  const lines = files.map((file) => {
    const { validToDate } = new X509Certificate(readFileSync(file));
    const label = path.basename(file).replaceAll(/[\\"\n]/g, '_');
    return `revoagent_certificate_not_after_seconds{file="${label}"} ${validToDate.getTime() / 1_000}\n`;
  });
  return [
    '# HELP revoagent_certificate_not_after_seconds When a certificate that the balancer serves ends, in seconds since 1970.\n',
    '# TYPE revoagent_certificate_not_after_seconds gauge\n',
    ...lines,
  ].join('');
}

/** The exporter never reads half of it. */
function writeWhole(file: string, text: string): void {
  const next = `${file}.${process.pid}`;
  writeFileSync(next, text, { mode: 0o644 });
  renameSync(next, file);
}
