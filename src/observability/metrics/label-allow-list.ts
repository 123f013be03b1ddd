/** Which values metrics' labels may have (--allow-metric-labels): all others are told as `unexpected`, so that they can't become too many. */
import { labelText, type Sample } from './text-format.ts';

/** By metric, then by label. */
export type LabelAllowLists = ReadonlyMap<string, ReadonlyMap<string, ReadonlySet<string>>>;

const unexpected = 'unexpected';

/** The samples of a metric with what is allowed only; those that become alike are added up. `replaced`: how often a value was none of the list's. */
export function constrained(
  name: string,
  samples: readonly Sample[],
  allowed: ReadonlyMap<string, ReadonlySet<string>>,
): { samples: Sample[]; replaced: number } {
  const all = new Map<string, Sample>();
  let replaced = 0;
  for (const sample of samples) {
    const labels = { ...sample.labels };
    let isReplaced = false;
    for (const [label, values] of allowed) {
      if (!Object.hasOwn(labels, label) || values.has(String(labels[label]))) continue;
      labels[label] = unexpected;
      isReplaced = true;
    }
    const metricName = sample.metricName ?? name;
    // Of a histogram its observations, of which there is one line.
    if (isReplaced && (metricName === name || metricName === `${name}_count`)) replaced += sample.value;
    const key = `${metricName}{${labelText(labels)}}`;
    const known = all.get(key);
    all.set(key, known ? { ...known, value: known.value + sample.value } : { ...sample, labels });
  }
  return { samples: [...all.values()], replaced };
}
