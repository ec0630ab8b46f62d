/**
 * A histogram and a counter that count cheaply and are put into prom-client's form when they are read: they are counted in many times a
 * request, and read every few seconds. prom-client's own look a series up by its labels for each value.
 */
import { Counter, Histogram } from 'prom-client';

/** What came to one set of labels since it was last read. */
export class Tally {
  #count = 0;

  inc(by = 1): void {
    this.#count += by;
  }

  take(): number {
    const count = this.#count;
    this.#count = 0;
    return count;
  }
}

export class TallyCounter extends Counter {
  readonly #labelNames: readonly string[];
  readonly #tallies: { readonly labels: Readonly<Record<string, string>>; readonly tally: Tally }[] = [];

  constructor(settings: ConstructorParameters<typeof Counter>[0]) {
    super(settings);
    this.#labelNames = settings.labelNames ?? [];
  }

  /** Counts for these values of the labels, in their order; whoever asks for it keeps it. */
  series(...values: readonly string[]): Tally {
    const tally = new Tally();
    this.#tallies.push({ labels: labelled(this.#labelNames, values), tally });
    return tally;
  }

  /** What the registry asks for at a scrape. */
  override get(): ReturnType<Counter['get']> {
    for (const { labels, tally } of this.#tallies) this.inc(labels, tally.take());
    return super.get();
  }
}

/** Values of one set of labels. */
export class Series {
  readonly labels: Readonly<Record<string, string>>;
  /** How many fell into each bucket, the last one having no upper bound. */
  readonly counts: Float64Array;
  sum = 0;
  readonly #bounds: readonly number[];

  constructor(labels: Readonly<Record<string, string>>, bounds: readonly number[]) {
    this.labels = labels;
    this.counts = new Float64Array(bounds.length + 1);
    this.#bounds = bounds;
  }

  observe(value: number): void {
    const bounds = this.#bounds;
    let at = 0;
    while (at < bounds.length && value > (bounds[at] ?? 0)) at++;
    this.counts[at] = (this.counts[at] ?? 0) + 1;
    this.sum += value;
  }
}

export class TallyHistogram extends Histogram {
  readonly #name: string;
  readonly #help: string;
  readonly #labelNames: readonly string[];
  readonly #bounds: readonly number[];
  readonly #series = new Map<string, Series>();

  constructor(settings: ConstructorParameters<typeof Histogram>[0] & { readonly buckets: number[] }) {
    super(settings);
    const { name, help, labelNames = [], buckets } = settings;
    this.#name = name;
    this.#help = help;
    this.#labelNames = labelNames;
    this.#bounds = buckets.toSorted((one, other) => one - other);
  }

  /** The series of these values of the labels, in their order; made when it is first asked for. */
  series(...values: readonly string[]): Series {
    const key = values.join('\0');
    let series = this.#series.get(key);
    if (series === undefined) {
      series = new Series(labelled(this.#labelNames, values), this.#bounds);
      this.#series.set(key, series);
    }
    return series;
  }

  /** What the registry asks a histogram for at a scrape, which prom-client's types leave out. */
  async getForPromString(): Promise<unknown> {
    const values = [...this.#series.values()].flatMap((series) => this.#exported(series));
    return { name: this.#name, help: this.#help, type: 'histogram', aggregator: 'sum', values };
  }

  #exported({ labels, counts, sum }: Series) {
    let count = 0;
    const buckets = [...this.#bounds, '+Inf'].map((le, at) => {
      count += counts[at] ?? 0;
      return { labels: { le, ...labels }, value: count, metricName: `${this.#name}_bucket` };
    });
    return [
      ...buckets,
      { labels, value: sum, metricName: `${this.#name}_sum` },
      { labels, value: count, metricName: `${this.#name}_count` },
    ];
  }
}

function labelled(names: readonly string[], values: readonly string[]): Record<string, string> {
  return Object.fromEntries(names.map((name, at) => [name, values[at] ?? '']));
}
