/**
 * What a dashboard is made of, and how it becomes Grafana's JSON. Boards are data: rows of panels, each with what it tells and its
 * queries, so that a test can put every query to a real Prometheus. Grid, colours and the datasource are decided here, once.
 */
/* oxlint-disable typescript/no-deprecated -- the second form of dashboards is not what Grafana reads from files. */
import {
  BigValueColorMode,
  BigValueGraphMode,
  LegendDisplayMode,
  LegendPlacement,
  ReduceDataOptionsBuilder,
  SortOrder,
  StackingConfigBuilder,
  StackingMode,
  TooltipDisplayMode,
  VisibilityMode,
  VizLegendOptionsBuilder,
  VizTooltipOptionsBuilder,
} from '@grafana/grafana-foundation-sdk/common';
import {
  DashboardBuilder,
  DashboardCursorSync,
  DashboardLinkType,
  DashboardLinkBuilder,
  DatasourceVariableBuilder,
  QueryVariableBuilder,
  RowBuilder,
  ThresholdsConfigBuilder,
  ThresholdsMode,
  VariableRefresh,
} from '@grafana/grafana-foundation-sdk/dashboard';
import { DataqueryBuilder } from '@grafana/grafana-foundation-sdk/prometheus';
import { PanelBuilder as StatBuilder } from '@grafana/grafana-foundation-sdk/stat';
import { PanelBuilder as TimeseriesBuilder } from '@grafana/grafana-foundation-sdk/timeseries';

export interface Query {
  readonly expr: string;
  /** As Grafana writes it: `{{provider}}`. */
  readonly legend: string;
}

export interface Panel {
  readonly title: string;
  /** What it tells and what is usual, for who has not built it. */
  readonly about: string;
  /** Grafana's name of the unit. */
  readonly unit: Unit;
  readonly queries: readonly Query[];
  /** A number now; lines otherwise. */
  readonly shape?: 'number' | 'lines' | 'stacked';
  /** From here on orange, and red. The bounds of the alerts, where there are some. */
  readonly bad?: readonly [warning: number, critical: number];
}

export const UNITS = ['short', 's', 'reqps', 'ops', 'percentunit', 'bytes', 'Bps', 'currencyUSD', 'none'] as const;
type Unit = (typeof UNITS)[number];

export interface Board {
  /** Stays the same for good: links are made of it. */
  readonly uid: string;
  readonly title: string;
  readonly about: string;
  readonly rows: readonly { readonly title: string; readonly panels: readonly Panel[] }[];
}

const GRID = 24;
const NUMBER = { width: 4, height: 4 };
const LINES = { width: 8, height: 8 };
const DATASOURCE = { type: 'prometheus', uid: '${datasource}' };
const TAG = 'revoagent';

/** Two spaces of indentation, ends with a newline. */
export function boardJson(board: Board): string {
  return `${JSON.stringify(render(board).build(), null, 2)}\n`;
}

function render({ uid, title, about, rows }: Board): DashboardBuilder {
  const dashboard = new DashboardBuilder(`reVoAgent / ${title}`)
    .uid(uid)
    .description(about)
    .tags([TAG])
    .timezone('browser')
    .refresh('10s')
    .time({ from: 'now-1h', to: 'now' })
    .tooltip(DashboardCursorSync.Crosshair)
    .readonly()
    .withVariable(new DatasourceVariableBuilder('datasource').label('Source').type('prometheus'))
    .withVariable(instances())
    .link(
      new DashboardLinkBuilder('reVoAgent')
        .type(DashboardLinkType.Dashboards)
        .tags([TAG])
        .asDropdown(true)
        .keepTime(true)
        .includeVars(true),
    );
  let y = 0;
  for (const row of rows) {
    dashboard.withRow(new RowBuilder(row.title).gridPos({ x: 0, y, w: GRID, h: 1 }));
    y = placed(dashboard, row.panels, y + 1);
  }
  return dashboard;
}

/** From left to right, a new line where the next does not fit. Returns where the following row begins. */
function placed(dashboard: DashboardBuilder, panels: readonly Panel[], top: number): number {
  let [x, y, lineHeight] = [0, top, 0];
  for (const panel of panels) {
    const { width: w, height: h } = panel.shape === 'number' ? NUMBER : LINES;
    if (x + w > GRID) {
      y += lineHeight;
      x = lineHeight = 0;
    }
    dashboard.withPanel((panel.shape === 'number' ? numberPanel(panel) : linesPanel(panel)).gridPos({ x, y, w, h }));
    x += w;
    lineHeight = Math.max(lineHeight, h);
  }
  return y + lineHeight;
}

function instances(): QueryVariableBuilder {
  return new QueryVariableBuilder('instance')
    .label('Instance')
    .datasource(DATASOURCE)
    .query('label_values(up{job="hub"}, instance)')
    .refresh(VariableRefresh.OnTimeRangeChanged)
    .multi(true)
    .includeAll(true)
    .allValue('.*')
    .current({ selected: true, text: 'All', value: '$__all' });
}

function numberPanel(panel: Panel): StatBuilder {
  return common(new StatBuilder(), panel)
    .reduceOptions(new ReduceDataOptionsBuilder().calcs(['lastNotNull']).values(false))
    .colorMode(panel.bad === undefined ? BigValueColorMode.None : BigValueColorMode.Value)
    .graphMode(BigValueGraphMode.Area);
}

function linesPanel(panel: Panel): TimeseriesBuilder {
  const stacked = panel.shape === 'stacked';
  return (
    common(new TimeseriesBuilder(), panel)
      .lineWidth(1)
      .fillOpacity(stacked ? 40 : 8)
      .showPoints(VisibilityMode.Never)
      .stacking(new StackingConfigBuilder().mode(stacked ? StackingMode.Normal : StackingMode.None))
      .legend(
        new VizLegendOptionsBuilder()
          .showLegend(true)
          .displayMode(LegendDisplayMode.List)
          .placement(LegendPlacement.Bottom),
      )
      // oxlint-disable-next-line unicorn/no-array-sort -- a setting of the tooltip, no array.
      .tooltip(new VizTooltipOptionsBuilder().mode(TooltipDisplayMode.Multi).sort(SortOrder.Descending))
  );
}

function common<B extends StatBuilder | TimeseriesBuilder>(builder: B, { title, about, unit, queries, bad }: Panel): B {
  const [warning, critical] = bad ?? [null, null];
  const steps = [
    { value: null, color: 'green' },
    ...(warning === null ? [] : [{ value: warning, color: 'orange' }]),
    ...(critical === null ? [] : [{ value: critical, color: 'red' }]),
  ];
  builder.title(title).description(about).unit(unit).min(0).datasource(DATASOURCE);
  builder.thresholds(new ThresholdsConfigBuilder().mode(ThresholdsMode.Absolute).steps(steps));
  for (const [at, { expr, legend }] of queries.entries())
    builder.withTarget(new DataqueryBuilder().refId(REFS.charAt(at)).expr(expr).legendFormat(legend));
  return builder;
}

const REFS = 'ABCDEFGH';
