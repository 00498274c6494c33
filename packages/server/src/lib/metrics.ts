import { Counter as PromCounter, Gauge as PromGauge, Histogram as PromHistogram, Registry } from "prom-client";

/** Each label with every value that it can have. The lists are closed, so that what is exposed has a limit. */
export type LabelLists = Readonly<Record<string, readonly string[]>>;

/** One value for each label. */
export type LabelsOf<Lists extends LabelLists> = { readonly [Name in keyof Lists]: Lists[Name][number] };

export interface MetricOptions<Lists extends LabelLists> {
  /** By https://prometheus.io/docs/practices/naming: base units, `_total` behind what only grows. */
  readonly name: string;
  /** One sentence, for people. */
  readonly help: string;
  readonly labels?: Lists;
}

export interface CounterOptions<Lists extends LabelLists> extends MetricOptions<Lists> {
  /** Leaves out what has not happened yet: for labels with many combinations, few of which ever happen. */
  readonly sparse?: boolean;
}

/** One series of a counter. Counting costs an addition, so that it may stand where every request passes. */
export class Tally {
  #value = 0;

  add(amount = 1): void {
    this.#value += amount;
  }

  get value(): number {
    return this.#value;
  }
}

export interface Counter<Lists extends LabelLists> {
  /** The series with these labels. Whoever counts often keeps it. Throws where a value is not in its list. */
  with(labels: LabelsOf<Lists>): Tally;
}

export interface Histogram {
  observe(value: number): void;
}

/** A value at the time of a scrape; undefined where there is none. */
type Reading = number | undefined;

/**
 * The metrics of one process, in the text format of Prometheus. Whoever composes the process makes one and hands it to its
 * roles, each of which registers its own. Throws where a name is registered twice.
 */
export class Metrics {
  readonly #registry = new Registry();

  /** The media type of `text`. */
  get contentType(): string {
    return this.#registry.contentType;
  }

  /** Reads and formats everything. */
  text(): Promise<string> {
    return this.#registry.metrics();
  }

  /** What is counted as it happens. Every series begins at zero, so that the first event is seen as an increase. */
  counter<const Lists extends LabelLists = Record<never, never>>(options: CounterOptions<Lists>): Counter<Lists> {
    const names = Object.keys(options.labels ?? {});
    const keyOf = (labels: Readonly<Record<string, string>>) => names.map((name) => labels[name]).join(" ");
    const tallies = new Map(combinationsOf(options.labels).map((labels) => [keyOf(labels), new Tally()]));
    const find = (labels: LabelsOf<Lists>): Tally => {
      const tally = tallies.get(keyOf(labels));
      if (tally === undefined) throw new Error(`${options.name} has no series ${JSON.stringify(labels)}`);
      return tally;
    };
    this.counterOf(options, (labels) => {
      const { value } = find(labels);
      return value === 0 && options.sparse ? undefined : value;
    });
    return { with: find };
  }

  /** A counter that is kept elsewhere, and read at each scrape. */
  counterOf<const Lists extends LabelLists = Record<never, never>>(
    options: MetricOptions<Lists>,
    read: (labels: LabelsOf<Lists>) => Reading,
  ): void {
    new PromCounter({
      ...describe(options, this.#registry),
      collect() {
        this.reset();
        for (const { labels, value } of readAll(options, read)) this.inc(labels, value);
      },
    });
  }

  /** A value that may go up and down, read at each scrape. */
  gauge<const Lists extends LabelLists = Record<never, never>>(
    options: MetricOptions<Lists>,
    read: (labels: LabelsOf<Lists>) => Reading,
  ): void {
    new PromGauge({
      ...describe(options, this.#registry),
      collect() {
        this.reset();
        for (const { labels, value } of readAll(options, read)) this.set(labels, value);
      },
    });
  }

  /** How values are spread over `buckets`, which are upper bounds. */
  histogram(options: MetricOptions<Record<never, never>>, buckets: readonly number[]): Histogram {
    return new PromHistogram({ ...describe(options, this.#registry), buckets: [...buckets] });
  }
}

function describe({ name, help, labels = {} }: MetricOptions<LabelLists>, registry: Registry) {
  return { name, help, labelNames: Object.keys(labels), registers: [registry] };
}

function readAll<Lists extends LabelLists>(
  { labels: lists }: MetricOptions<Lists>,
  read: (labels: LabelsOf<Lists>) => Reading,
) {
  return combinationsOf(lists).flatMap((labels) => {
    const value = read(labels);
    return value === undefined ? [] : [{ labels, value }];
  });
}

/** Every way to give each label one of its values; one, without any label, where there is none. */
function combinationsOf<Lists extends LabelLists>(lists: Lists | undefined): LabelsOf<Lists>[] {
  const begun: Record<string, string>[] = [{}];
  const all = Object.entries(lists ?? {}).reduce(
    (sofar, [name, values]) => sofar.flatMap((labels) => values.map((value) => ({ ...labels, [name]: value }))),
    begun,
  );
  return all as LabelsOf<Lists>[];
}
