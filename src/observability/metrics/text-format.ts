/** Prometheus' text format, letter by letter as Go's client library writes it: labels by name, numbers as `strconv` has them. */

export interface Sample {
  labels: Readonly<Record<string, string | number>>;
  value: number;
  /** Where it is not the family's own: `NAME_bucket`. */
  metricName?: string;
}

/** The shortest decimal that reads as the number; with an exponent from a million on, and below a ten-thousandth. */
export function goFloat(value: number): string {
  if (Number.isNaN(value)) return 'NaN';
  if (!Number.isFinite(value)) return value > 0 ? '+Inf' : '-Inf';
  const size = Math.abs(value);
  if (size === 0 || (size >= 1e-4 && size < 1e6)) return String(value);
  return value.toExponential().replace(/e([+-])(\d)$/, 'e$10$2');
}

const escaped = (text: string): string =>
  /[\\"\n]/.test(text) ? text.replaceAll('\\', '\\\\').replaceAll('"', '\\"').replaceAll('\n', '\\n') : text;

/** `a="b",c="d"`, ordered by name; the bound of a bucket comes last. */
export function labelText(labels: Readonly<Record<string, string | number>>): string {
  const names = Object.keys(labels)
    .filter((name) => name !== 'le')
    .sort();
  if ('le' in labels) names.push('le');
  return names
    .map((name) => {
      const value = labels[name] ?? '';
      return `${name}="${typeof value === 'number' ? goFloat(value) : escaped(value)}"`;
    })
    .join(',');
}

/** One line; `labels` as `labelText` makes them. */
export const sampleLine = (name: string, labels: string, value: number): string =>
  labels === '' ? `${name} ${goFloat(value)}\n` : `${name}{${labels}} ${goFloat(value)}\n`;

export function familyHead(name: string, help: string, type: string): string {
  return `# HELP ${name} ${help.replaceAll('\\', '\\\\').replaceAll('\n', '\\n')}\n# TYPE ${name} ${type}\n`;
}
