/** Grafana's dashboards without Grafana: they ask only for what there is, and are drawn where nothing hides anything. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { entries } from '#telemetry/catalogue';
import { UNITS } from '../../scripts/deploy/grafana/board.ts';
import { boardFiles, boards } from '../../scripts/deploy/grafana/boards.ts';
import { FOREIGN, namesIn, unknownIn } from '../helpers/promql.ts';

const ROOT = fileURLToPath(new URL('../../', import.meta.url));
const read = (file: string): string => readFileSync(path.join(ROOT, file), 'utf8');

interface Drawn {
  readonly title?: string;
  readonly type: string;
  readonly gridPos: { readonly x: number; readonly y: number; readonly w: number; readonly h: number };
  readonly datasource?: { readonly uid: string };
  readonly description?: string;
}

const files = [...boardFiles()].map(([file, text]) => ({
  file,
  board: JSON.parse(text) as { uid: string; title: string; panels: Drawn[] },
}));
const panels = boards.flatMap(({ title, rows }) =>
  rows.flatMap((row) => row.panels.map((panel) => ({ ...panel, where: `${title} / ${row.title} / ${panel.title}` }))),
);

describe('the dashboards', () => {
  it('are seven, each with a name and an address of its own', () => {
    assert.equal(boards.length, 7);
    for (const key of ['uid', 'title'] as const) assert.equal(new Set(boards.map((board) => board[key])).size, 7);
    assert.equal(
      new Set(panels.map(({ where }) => where)).size,
      panels.length,
      'no two panels of a row are called the same',
    );
  });

  it('say of each panel what it tells, in a unit Grafana knows', () => {
    for (const { where, about, unit, queries } of panels) {
      assert.ok(about.length > 3, where);
      assert.ok(UNITS.includes(unit), where);
      assert.ok(queries.length > 0 && queries.every(({ legend }) => legend !== ''), where);
    }
  });

  it('name only metrics and labels that the catalogue or an exporter has', () => {
    for (const { where, queries } of panels)
      for (const { expr } of queries) assert.deepEqual(unknownIn(expr), [], `${where}: ${expr}`);
  });

  it('show every metric of the catalogue on some panel', () => {
    const shown = new Set(panels.flatMap(({ queries }) => queries.flatMap(({ expr }) => namesIn(expr))));
    const missing = entries.map(({ name }) => name).filter((name) => !shown.has(name));
    assert.deepEqual(missing, []);
  });

  it('count as failed what the alert on upstreams counts: no hedge that came second', () => {
    const [, outcome = ''] =
      /revoagent_attempts_total\{(outcome!~"[^"]+")/.exec(read('deploy/prometheus/rules/hub.yml')) ?? [];
    assert.match(outcome, /succeeded/);
    const queries = panels.flatMap((panel) => panel.queries.map(({ expr }) => expr));
    const counted = queries.flatMap(
      (expr) => expr.match(/revoagent_attempts_total\{[^}]*outcome!~"succeeded[^}]*/g) ?? [],
    );
    assert.ok(counted.length > 0);
    for (const expr of counted) assert.ok(expr.includes(outcome), expr);
  });

  it('look no further back than Prometheus remembers', () => {
    const texts = [...files.map(({ board }) => JSON.stringify(board)), read('deploy/prometheus/rules/objective.yml')];
    const days = texts.flatMap((text) => [...text.matchAll(/\[(\d+)d\]/g)].map(([, count]) => Number(count)));
    for (const file of ['compose.yaml', 'src/stack/parts/monitoring.ts']) {
      const [, kept] = /retention\.time=(\d+)d/.exec(read(file)) ?? [];
      assert.ok(Number(kept) >= Math.max(...days), `${file} keeps ${kept} days, and ${Math.max(...days)} are shown`);
    }
  });

  it('lay no panel over another or past the edge, and ask the source that was chosen', () => {
    for (const { file, board } of files) {
      const taken = new Set<string>();
      for (const { gridPos, type, title, datasource, description } of board.panels) {
        const where = `${file}: ${title}`;
        assert.ok(gridPos.x + gridPos.w <= 24, where);
        for (let x = gridPos.x; x < gridPos.x + gridPos.w; x++)
          for (let y = gridPos.y; y < gridPos.y + gridPos.h; y++) {
            assert.ok(!taken.has(`${x} ${y}`), `${where} lies over another`);
            taken.add(`${x} ${y}`);
          }
        if (type === 'row') continue;
        assert.equal(datasource?.uid, '${datasource}', where);
        assert.ok(description !== undefined, where);
      }
    }
  });
});

describe('the reading of a query', () => {
  const planted = [
    ['a metric that is not there', 'rate(revoagent_no_such_total[5m])', 'revoagent_no_such_total'],
    ['a label that the metric has not', 'sum(revoagent_breakers{colour="red"})', 'revoagent_breakers{colour}'],
    ['a group by a label that no metric in it has', 'sum by (colour) (revoagent_breakers)', 'by (colour)'],
    ['a foreign metric that no exporter is known to have', 'node_no_such_bytes', 'node_no_such_bytes'],
  ] as const;
  for (const [what, expr, found] of planted)
    it(`finds ${what}`, () => {
      assert.deepEqual(unknownIn(expr), [found]);
    });

  it('lets what there is pass', () => {
    assert.deepEqual(
      unknownIn('histogram_quantile(0.9, sum by (le) (rate(revoagent_gc_duration_seconds_bucket{kind="minor"}[5m])))'),
      [],
    );
    assert.ok(FOREIGN.size > 10);
  });
});
