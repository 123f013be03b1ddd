/** Prometheus' text format, for metrics that are read from the runtime when somebody asks. */

export interface Sample {
  labels?: Readonly<Record<string, string>>;
  value: number;
  /** When it was measured, in milliseconds since the epoch. */
  atMs?: number;
}

const escaped = (text: string) => text.replaceAll('\\', '\\\\').replaceAll('\n', '\\n').replaceAll('"', '\\"');

export function metric(name: string, type: 'counter' | 'gauge', help: string, samples: readonly Sample[]): string {
  if (samples.length === 0) return '';
  const lines = samples.map(({ labels = {}, value, atMs }) => {
    const pairs = Object.entries(labels).map(([key, text]) => `${key}="${escaped(text)}"`);
    return `${name}${pairs.length > 0 ? `{${pairs.join(',')}}` : ''} ${value}${atMs === undefined ? '' : ` ${atMs}`}\n`;
  });
  return `# HELP ${name} ${help}\n# TYPE ${name} ${type}\n${lines.join('')}`;
}
