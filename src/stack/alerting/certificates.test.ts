/** The end of a certificate is written where the node exporter reads it, follows a renewal, and one that cannot be read is told once. */
import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { it } from 'node:test';
import { freePort } from '../../../tests/helpers/free-port.ts';
import { temporaryFolder, waitFor } from '../../../tests/helpers/hub-process.ts';
import { requireTool } from '../../../tests/helpers/tools.ts';
import { VirtualClock } from '../../../tests/helpers/virtual-clock.ts';
import { certificatesText, watchCertificates } from './certificates.ts';

const DAY_S = 86_400;

function writeCertificate(folder: string, days: number): void {
  const words =
    'req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -subj /CN=localhost -keyout key.pem -out tls.pem';
  const { status, stderr } = spawnSync(requireTool('openssl'), [...words.split(' '), '-days', String(days)], {
    cwd: folder,
    encoding: 'utf8',
  });
  assert.equal(status, 0, stderr);
}

it('the end of a certificate is written at once and after each renewal, and one that is gone is told once', async (t) => {
  const folder = await temporaryFolder(t);
  const clock = new VirtualClock();
  const failures: unknown[] = [];
  const certificate = path.join(folder, 'tls.pem');
  const daysLeft = (): number => {
    const text = readFileSync(path.join(folder, 'text', 'certificates.prom'), 'utf8');
    const [, seconds] = /^revoagent_certificate_not_after_seconds\{file="tls\.pem"\} (\d+)$/m.exec(text) ?? [];
    return Math.round((Number(seconds) - Date.now() / 1_000) / DAY_S);
  };
  writeCertificate(folder, 10);
  const watched = watchCertificates({
    clock,
    certificates: [certificate],
    folder: path.join(folder, 'text'),
    onFailure: (error) => failures.push(error),
  });
  assert.equal(daysLeft(), 10);
  writeCertificate(folder, 90);
  await clock.advance(60_000);
  assert.equal(daysLeft(), 90);
  rmSync(certificate);
  await clock.advance(300_000);
  assert.deepEqual([failures.length, daysLeft()], [1, 90]);
  watched.stop();
  assert.equal(clock.pending, 0);
});

it('a real node exporter shows it as the alert reads it', async (t) => {
  const folder = await temporaryFolder(t);
  writeCertificate(folder, 30);
  writeFileSync(path.join(folder, 'certificates.prom'), certificatesText([path.join(folder, 'tls.pem')]));
  const address = `127.0.0.1:${await freePort()}`;
  const words = ['--collector.disable-defaults', '--collector.textfile', `--collector.textfile.directory=${folder}`];
  const exporter = spawn(requireTool('prometheus-node-exporter'), [`--web.listen-address=${address}`, ...words], {
    stdio: 'ignore',
  });
  t.after(() => exporter.kill('SIGKILL'));
  const text = await waitFor(async () => (await fetch(`http://${address}/metrics`).catch(() => null))?.text());
  assert.match(text, /^revoagent_certificate_not_after_seconds\{file="tls\.pem"\} 1\.\d+e\+09$/m);
  assert.match(text, /^node_textfile_scrape_error 0$/m);
});
