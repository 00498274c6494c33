import type { Spread } from "./statistics.ts";

export interface Bar {
  readonly name: string;
  readonly spread: Spread;
  /** Whether it is ours. */
  readonly isOurs: boolean;
}

const row = { height: 26, labelWidth: 200, width: 420, valueWidth: 150 };
const top = 44;

/** A chart of horizontal bars, each with its interval, as SVG. `mark` is a value to draw a line at. */
export function barChart({ title, bars, mark }: { title: string; bars: readonly Bar[]; mark: number }): string {
  const width = row.labelWidth + row.width + row.valueWidth;
  const height = top + bars.length * row.height + 12;
  const most = Math.max(mark, ...bars.map(({ spread }) => spread.high)) * 1.02;
  const xOf = (value: number) => row.labelWidth + (value / most) * row.width;
  const drawn = bars.map(({ name, spread, isOurs }, index) => {
    const y = top + index * row.height;
    const middle = y + row.height / 2 - 2;
    const whisker = `M${num(xOf(spread.low))} ${middle}H${num(xOf(spread.high))}`;
    const value = `${spread.median.toFixed(2)} [${spread.low.toFixed(2)}, ${spread.high.toFixed(2)}]`;
    return `<text x="${row.labelWidth - 8}" y="${middle + 4}" text-anchor="end">${escapeXml(name)}</text>
<rect x="${row.labelWidth}" y="${y + 2}" width="${num(xOf(spread.median) - row.labelWidth)}" height="${row.height - 8}" fill="${isOurs ? "#2563eb" : "#9ca3af"}"/>
<path d="${whisker}" stroke="#111827" stroke-width="1.5"/>
<text x="${row.labelWidth + row.width + 8}" y="${middle + 4}" fill="#4b5563">${value}</text>`;
  });
  const line = `<path d="M${num(xOf(mark))} ${top - 6}V${height - 8}" stroke="#dc2626" stroke-dasharray="4 3"/>`;
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" width="${width}" height="${height}" font-family="sans-serif" font-size="13" fill="#111827">
<title>${escapeXml(title)}</title>
<rect width="100%" height="100%" fill="#ffffff"/>
<text x="12" y="22" font-size="15" font-weight="bold">${escapeXml(title)}</text>
${[...drawn, line].join("\n")}
</svg>
`;
}

function num(value: number): string {
  return value.toFixed(1);
}

function escapeXml(text: string): string {
  return text.replaceAll("&", "&amp;").replaceAll("<", "&lt;");
}
