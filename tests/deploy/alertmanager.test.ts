/**
 * Who hears of an alert: the configuration that receivers give, at a running Alertmanager whose receivers are in this process. An alert comes
 * to the one of its severity and to the one of its service, its end is told, and what something above it causes is not told.
 */
import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import path from 'node:path';
import { describe, it } from 'node:test';
import { parse } from 'yaml';
import { alertmanagerConfig } from '#stack/index';
import type { Receivers } from '#config/index';
import { fasterAlertmanager } from '#stack/drill/faster';
import { freePort } from '../helpers/free-port.ts';
import { runCli, temporaryFolder, waitFor } from '../helpers/hub-process.ts';
import type { Cleanup } from '../helpers/suite.ts';
import { requireTool } from '../helpers/tools.ts';

type Labels = Readonly<Record<string, string>>;

interface Told {
  readonly to: string;
  readonly status: string;
  readonly alert: string;
}

/** Takes webhooks at any path, and notes what each was told. */
async function startReceiver(t: Cleanup): Promise<{ readonly url: string; readonly told: Told[] }> {
  const told: Told[] = [];
  const server = createServer((request, response) => {
    let body = '';
    request.setEncoding('utf8').on('data', (text: string) => (body += text));
    request.on('end', () => {
      const { alerts }: { alerts: { status: string; labels: Labels }[] } = JSON.parse(body);
      for (const { status, labels } of alerts)
        told.push({ to: request.url ?? '', status, alert: labels['alertname'] ?? '' });
      response.end();
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.after(() => {
    server.closeAllConnections();
    server.close();
  });
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, told };
}

async function startAlertmanager(t: Cleanup, config: string): Promise<string> {
  const folder = await temporaryFolder(t);
  const file = path.join(folder, 'alertmanager.yml');
  await writeFile(file, config, { mode: 0o600 });
  const address = `127.0.0.1:${await freePort()}`;
  const words = [`--config.file=${file}`, `--storage.path=${folder}`, `--web.listen-address=${address}`];
  const child = spawn(requireTool('prometheus-alertmanager'), [...words, '--cluster.listen-address='], {
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  let said = '';
  child.stderr.setEncoding('utf8').on('data', (text: string) => (said += text));
  t.after(() => child.kill('SIGKILL'));
  await waitFor(
    async () => {
      if (child.exitCode !== null) throw new Error(`Alertmanager ended: ${said}`);
      const response = await fetch(`http://${address}/-/ready`).catch(() => null);
      return response?.ok === true || undefined;
    },
    60_000,
    () => `Alertmanager did not start: ${said}`,
  );
  return `http://${address}`;
}

const everybody = (url: string): Receivers => ({
  critical: { webhook: { url: `${url}/critical` } },
  warning: { webhook: { url: `${url}/warning` } },
  info: { webhook: { url: `${url}/info` } },
  services: { postgres: { webhook: { url: `${url}/postgres` } } },
});

describe('alerts at a running Alertmanager', () => {
  it('come to the receivers of their severity and their service, end there, and are silent where their cause is told', async (t) => {
    const { url, told } = await startReceiver(t);
    const alertmanager = await startAlertmanager(t, fasterAlertmanager(alertmanagerConfig(everybody(url)), 60));
    const post = async (alerts: readonly Labels[], ended = false): Promise<void> => {
      const at = new Date().toISOString();
      const body = alerts.map((labels) => ({ labels, ...(ended ? { endsAt: at } : {}) }));
      const headers = { 'content-type': 'application/json' };
      const answer = await fetch(`${alertmanager}/api/v2/alerts`, {
        method: 'POST',
        headers,
        body: JSON.stringify(body),
      });
      assert.equal(answer.status, 200, await answer.text());
    };
    const hears = (to: string, alert: string, status = 'firing') =>
      waitFor(
        () => told.some((each) => each.to === to && each.alert === alert && each.status === status) || undefined,
        60_000,
        () => `${to} did not hear that ${alert} is ${status}: ${JSON.stringify(told)}`,
      );
    const hubDown = { alertname: 'HubDown', severity: 'critical', service: 'hub' };
    // The cause is there before what it causes.
    await post([hubDown]);
    await hears('/critical', 'HubDown');
    await post([
      { alertname: 'LatencyHigh', severity: 'warning', service: 'hub' },
      { alertname: 'ErrorRateHigh', severity: 'critical', service: 'hub' },
      { alertname: 'QueriesSlow', severity: 'warning', service: 'postgres' },
      { alertname: 'ExternalFailures', severity: 'info', service: 'upstream' },
    ]);
    await hears('/warning', 'QueriesSlow');
    await hears('/postgres', 'QueriesSlow');
    await hears('/info', 'ExternalFailures');
    const groups = (await (await fetch(`${alertmanager}/api/v2/alerts`)).json()) as {
      labels: Labels;
      status: { state: string; inhibitedBy: string[] };
    }[];
    const suppressed = groups.filter(({ status }) => status.state === 'suppressed' && status.inhibitedBy.length === 1);
    assert.deepEqual(suppressed.map(({ labels }) => String(labels['alertname'])).toSorted(), [
      'ErrorRateHigh',
      'LatencyHigh',
    ]);
    await post([{ alertname: 'QueriesSlow', severity: 'warning', service: 'postgres' }, hubDown], true);
    await hears('/warning', 'QueriesSlow', 'resolved');
    await hears('/critical', 'HubDown', 'resolved');
    // Without its cause it is news itself: until now nobody had heard of it.
    assert.ok(!told.slice(0, -1).some(({ alert, status }) => alert === 'LatencyHigh' && status === 'resolved'));
    await hears('/warning', 'LatencyHigh');
    const firstOf = (alert: string): number => told.findIndex((each) => each.alert === alert);
    const ended = told.findIndex(({ alert, status }) => alert === 'HubDown' && status === 'resolved');
    assert.ok(firstOf('LatencyHigh') > firstOf('HubDown') && ended >= 0);
    const wrong = told.filter(
      ({ to, alert }) =>
        (to === '/postgres' && alert !== 'QueriesSlow') || (to === '/info' && alert !== 'ExternalFailures'),
    );
    assert.deepEqual(wrong, []);
  });

  it('are silent beside what says it better, and only beside that', () => {
    const rules = parse(alertmanagerConfig({})) as {
      inhibit_rules: { source_matchers: string[]; target_matchers: string[]; equal?: string[] }[];
    };
    const holds = (matchers: readonly string[], labels: Labels): boolean =>
      matchers.every((matcher) => {
        const [, name = '', operator, value = ''] = /^(\w+) (=~|!=|=) "?([^"]*)"?$/.exec(matcher) ?? [];
        const is = labels[name] ?? '';
        if (operator === '=~') return new RegExp(`^(?:${value})$`).test(is);
        return operator === '=' ? is === value : is !== value;
      });
    const isSilent = (target: Labels, source: Labels): boolean =>
      rules.inhibit_rules.some(
        ({ source_matchers, target_matchers, equal = [] }) =>
          holds(source_matchers, source) &&
          holds(target_matchers, target) &&
          equal.every((name) => (source[name] ?? '') === (target[name] ?? '')),
      );
    const full = { alertname: 'RedisMemoryHigh', service: 'redis', job: 'redis-state' };
    const cache = { alertname: 'CacheTierFailing', service: 'cache' };
    const down = (job: string): Labels => ({ alertname: 'RedisDown', service: 'redis', job });
    assert.deepEqual(
      [isSilent(cache, down('redis-cache')), isSilent(cache, down('redis-state')), isSilent(full, down('redis-cache'))],
      [true, false, false],
    );
    const named = (alertname: string): Labels => ({ alertname, service: 'hub' });
    assert.ok(isSilent(named('LatencyHigh'), named('LatencyVeryHigh')));
    assert.ok(!isSilent(named('LatencyVeryHigh'), named('LatencyHigh')));
    for (const weaker of ['ErrorBudgetBurns', 'ErrorBudgetBurnsSlowly'])
      assert.ok(isSilent(named(weaker), named('ErrorBudgetBurnsFast')), weaker);
    assert.ok(isSilent(named('ErrorBudgetBurnsSlowly'), named('ErrorBudgetBurns')));
  });

  it('go where amtool says that they go', async (t) => {
    const folder = await temporaryFolder(t);
    const test = async (receivers: Receivers, labels: readonly string[]): Promise<string> => {
      const file = path.join(folder, 'alertmanager.yml');
      await writeFile(file, alertmanagerConfig(receivers));
      const words = ['config', 'routes', 'test', `--config.file=${file}`, ...labels];
      const { status, stdout, stderr } = spawnSync(requireTool('amtool'), words, { encoding: 'utf8' });
      assert.equal(status, 0, stderr);
      return stdout.trim();
    };
    const all = everybody('http://127.0.0.1:1');
    assert.equal(await test(all, ['severity=critical', 'service=hub']), 'critical');
    assert.equal(await test(all, ['severity=info', 'service=cache']), 'info');
    assert.equal(await test(all, ['severity=warning', 'service=postgres']), 'service postgres,warning');
    assert.equal(await test({}, ['severity=critical', 'service=hub']), 'nobody');
    const one: Receivers = { critical: { slack: { url: 'https://hooks.slack.example/x' } } };
    assert.equal(await test(one, ['severity=warning', 'service=hub']), 'nobody');
  });
});

describe('receivers', () => {
  it('by webhook, e-mail and Slack are taken by amtool, with secrets from the environment', async (t) => {
    const folder = await temporaryFolder(t);
    const [file, config] = [path.join(folder, 'receivers.yaml'), path.join(folder, 'alertmanager.yml')];
    await writeFile(
      file,
      [
        'critical:',
        '  webhook: { url: "${HOOK}" }',
        '  slack: { url: https://hooks.slack.example/services/T, channel: "#alerts" }',
        'warning:',
        '  email:',
        '    { to: a@example.com, from: hub@example.com, smarthost: "mail.example.com:587", username: hub, password: "${MAIL}" }',
      ].join('\n'),
    );
    const env = { HOOK: 'https://example.com/hook', MAIL: 'of-the-mail-server' };
    const { code, stdout, stderr } = await runCli(['alertmanager', '--receivers', file], { env });
    assert.equal(code, 0, stderr);
    for (const text of [env.HOOK, env.MAIL, '#alerts']) assert.ok(stdout.includes(text), text);
    await writeFile(config, stdout);
    const checked = spawnSync(requireTool('amtool'), ['check-config', config], { encoding: 'utf8' });
    assert.equal(checked.status, 0, checked.stderr);
  });

  it('that are wrong are refused with the place of each mistake', async (t) => {
    const file = path.join(await temporaryFolder(t), 'receivers.yaml');
    await writeFile(
      file,
      'critical:\n  webhok: { url: http://a.example }\nwarning:\n  webhook: { url: not-an-address }\n',
    );
    const { code, stderr } = await runCli(['alertmanager', '--receivers', file]);
    assert.equal(code, 1);
    assert.match(stderr, /receivers\.yaml:2: critical\.webhok: is not known; did you mean "webhook"\?/);
    assert.match(stderr, /receivers\.yaml:4: warning\.webhook\.url: has the wrong form/);
    for (const words of [
      ['--alert-webhook', 'nowhere'],
      ['--alert-webhook', 'http://a.example', '--no-monitoring'],
    ])
      assert.equal((await runCli(['up', '--dry-run', ...words])).code, 1);
  });
});
