/** One metric as it is exposed: what it is, and its series by their labels. */
export interface ExposedMetric {
  readonly help: string;
  readonly type: string;
  readonly samples: readonly Sample[];
}

export interface Sample {
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly value: number;
}

const helpLine = /^# HELP ([a-zA-Z_:][a-zA-Z0-9_:]*) (.+)$/;
const typeLine = /^# TYPE ([a-zA-Z_:][a-zA-Z0-9_:]*) (counter|gauge|histogram)$/;
const sampleLine = /^([a-zA-Z_:][a-zA-Z0-9_:]*)(?:\{(.*)\})? (\S+)$/;
const label = /([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\\n]|\\[\\n"])*)"(?:,|$)/y;
const float = /^(?:[+-]?(?:\d+(?:\.\d+)?(?:e[+-]?\d+)?|Inf)|NaN)$/i;

/**
 * Reads Prometheus' text format 0.0.4 as strictly as promtool does: each metric once, with its help and its type before its
 * series, no series twice, counters that end in `_total`, histograms that add up. Throws where anything else is found.
 */
export function parseMetrics(text: string): ReadonlyMap<string, ExposedMetric> {
  if (!text.endsWith("\n")) throw new Error("the last line has no end");
  const blocks = text.trimEnd().split("\n\n");
  const metrics = new Map<string, ExposedMetric>();
  for (const block of blocks) {
    const [help = "", type = "", ...lines] = block.split("\n");
    const [, name = "", helpText = ""] = helpLine.exec(help) ?? fail("no HELP", help);
    const [, typeName, kind = ""] = typeLine.exec(type) ?? fail("no TYPE", type);
    if (typeName !== name || metrics.has(name)) fail("a metric twice, or mixed with another", type);
    const metric = { help: helpText, type: kind, samples: lines.map(parseSample) };
    check(name, metric);
    metrics.set(name, metric);
  }
  return metrics;
}

function parseSample(line: string): Sample {
  const [, name = "", labelText = "", value = ""] = sampleLine.exec(line) ?? fail("no sample", line);
  if (!float.test(value)) fail("no number", line);
  const labels: Record<string, string> = {};
  label.lastIndex = 0;
  while (label.lastIndex < labelText.length) {
    const [, labelName = "", escaped = ""] = label.exec(labelText) ?? fail("no label", line);
    if (labelName in labels) fail("a label twice", line);
    labels[labelName] = escaped.replace(/\\(.)/g, (_, character) => (character === "n" ? "\n" : character));
  }
  return { name, labels, value: Number(value.replace("Inf", "Infinity")) };
}

function check(name: string, { type, samples }: ExposedMetric): void {
  const keys = samples.map((sample) => `${sample.name} ${JSON.stringify(Object.entries(sample.labels).sort())}`);
  if (new Set(keys).size !== keys.length) fail("a series twice", name);
  if (type === "histogram") return checkHistogram(name, samples);
  if (samples.some((sample) => sample.name !== name)) fail("a series of another metric", name);
  if ((type === "counter") !== name.endsWith("_total")) fail("_total is for counters, and for all of them", name);
  if (type === "counter" && samples.some(({ value }) => !(value >= 0))) fail("a counter below zero", name);
}

/** Of the one series that a histogram without labels has. */
function checkHistogram(name: string, samples: readonly Sample[]): void {
  const buckets = samples.filter((sample) => sample.name === `${name}_bucket`);
  const bounds = buckets.map(({ labels }) => Number(labels.le?.replace("Inf", "Infinity")));
  const counts = buckets.map(({ value }) => value);
  const isAscending = (values: number[]) => values.every((value, i) => i === 0 || value >= (values[i - 1] ?? 0));
  const rest = samples.filter((sample) => sample.name !== `${name}_bucket`).map((sample) => sample.name);
  if (bounds.at(-1) !== Number.POSITIVE_INFINITY || !isAscending(bounds) || !isAscending(counts))
    fail("bad buckets", name);
  if (rest.join() !== `${name}_sum,${name}_count`) fail("no sum and count", name);
  if (samples.at(-1)?.value !== counts.at(-1)) fail("a count that is not that of the last bucket", name);
}

function fail(what: string, where: string): never {
  throw new Error(`${what}: ${where}`);
}
