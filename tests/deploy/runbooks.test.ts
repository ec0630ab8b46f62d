/** The runbooks: one an alert, whole, and speaking only of metrics, paths and commands that there are. What they do is for `npm run drills`. */
import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { parse } from 'yaml';
import { pageOf, parseRunbook } from '#stack/index';
import { fasterRules } from '../../src/stack/drill/faster.ts';
import { runCli } from '../helpers/hub-process.ts';
import { unknownIn } from '../helpers/promql.ts';

const at = (path: string): string => fileURLToPath(new URL(`../../${path}`, import.meta.url));
const read = (path: string): string => readFileSync(at(path), 'utf8');
const pages = readdirSync(at('docs/runbooks'))
  .map((file) => ({ file, text: read(`docs/runbooks/${file}`) }))
  .filter(({ text }) => text.includes('\n## Drill\n'));
const rules = readdirSync(at('deploy/prometheus/rules')).map((file) => read(`deploy/prometheus/rules/${file}`));
const alerts = rules.flatMap((text) => [...text.matchAll(/- alert: (\w+)/g)].map(([, name = '']) => name));
const blocksOf = (text: string): string[] =>
  [...text.matchAll(/^```sh.*\n([^]*?)^```$/gm)].map(([, body = '']) => body);

describe('the runbooks', () => {
  it('are one an alert, under its name, with every part', () => {
    assert.deepEqual(pages.map(({ text }) => parseRunbook(text).alert).toSorted(), alerts.toSorted());
    for (const { file, text } of pages) assert.equal(file, `${pageOf(parseRunbook(text).alert)}.md`);
  });

  it('have commands for looking, and for doing where the alert is drilled', () => {
    for (const { file, text } of pages) {
      const { diagnosis, mitigation, provoke } = parseRunbook(text);
      assert.ok(diagnosis.length > 0, file);
      if (provoke !== null) assert.ok(mitigation.length > 0, file);
    }
  });

  it('ask Prometheus only for what there is', () => {
    for (const { file, text } of pages)
      for (const [, query = ''] of text.matchAll(/--data-urlencode 'query=([^']+)'/g))
        assert.deepEqual(unknownIn(query), [], `${file}: ${query}`);
  });

  it('call only operations that the API has', () => {
    const { paths } = JSON.parse(read('schema/openapi.json')) as { paths: Record<string, unknown> };
    const known = Object.keys(paths).map((path) => new RegExp(`^${path.replaceAll(/\{[^}]+\}/g, '[^/]+')}$`));
    for (const { file, text } of pages)
      for (const block of blocksOf(text))
        for (const [, path = ''] of block.matchAll(/\$HUB(\/[^"?\s]*)/g))
          assert.ok(
            known.some((each) => each.test(path)),
            `${file}: ${path}`,
          );
  });

  it('use only commands and options that revoagent has', async () => {
    const used = new Map<string, Set<string>>();
    for (const { text } of pages)
      for (const block of blocksOf(text))
        for (const [, command = '', words = ''] of block.matchAll(
          /\brevoagent ((?:(?:config|keys|runs) )?\w+)([^\n)|;]*)/g,
        ))
          used.set(command, new Set([...(used.get(command) ?? []), ...(words.match(/--[\w-]+/g) ?? [])]));
    for (const [command, options] of used) {
      const { stdout, code } = await runCli([...command.split(' '), '--help']);
      assert.equal(code, 0, command);
      for (const option of options) assert.ok(stdout.includes(option), `revoagent ${command} ${option}`);
    }
    assert.ok(used.size >= 3);
  });

  for (const [what, text] of [
    ['without a section', '# X\n\n## Meaning\n'],
    ['without the name of its alert', '## Meaning\n'],
    ['without a drill or a reason', '# X\n## Meaning\n## Impact\n## Diagnosis\n## Mitigation\n## Drill\n\nLater.\n'],
  ] as const)
    it(`are refused ${what}`, () => {
      assert.throws(() => parseRunbook(text));
    });
});

describe('rules made faster for drills', () => {
  it('are the same but for their times', () => {
    for (const text of rules) {
      const [slow, fast] = [text, fasterRules(text, 10)].map(
        (each) => parse(each) as { groups: { rules: unknown[] }[] },
      );
      assert.equal(
        slow?.groups.flatMap((group) => group.rules).length,
        fast?.groups.flatMap((group) => group.rules).length,
      );
    }
    const rule = 'expr: rate(x[2m]) > 0.8 and y offset 5m > 3\nfor: 1m\nkeep_firing_for: 30s';
    assert.equal(fasterRules(rule, 10), 'expr: rate(x[12s]) > 0.8 and y offset 30s > 3\nfor: 6s\nkeep_firing_for: 3s');
    assert.equal(fasterRules('predict_linear(x[30m], 2 * 3600)', 10), 'predict_linear(x[180s], 2 * 360)');
  });
});
