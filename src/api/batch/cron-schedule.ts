/** Checks of a CronJob's schedule and time zone, in the words of upstream's parser (github.com/robfig/cron's `ParseStandard`). */

const months = ['jan', 'feb', 'mar', 'apr', 'may', 'jun', 'jul', 'aug', 'sep', 'oct', 'nov', 'dec'];
const days = ['sun', 'mon', 'tue', 'wed', 'thu', 'fri', 'sat'];

interface Bounds {
  min: number;
  max: number;
  names: readonly string[];
  /** The number of the first name. */
  firstName: number;
}

const bounds: readonly Bounds[] = [
  { min: 0, max: 59, names: [], firstName: 0 },
  { min: 0, max: 23, names: [], firstName: 0 },
  { min: 1, max: 31, names: [], firstName: 0 },
  { min: 1, max: 12, names: months, firstName: 1 },
  { min: 0, max: 6, names: days, firstName: 0 },
];

const descriptors = ['@yearly', '@annually', '@monthly', '@weekly', '@daily', '@midnight', '@hourly'];

class ScheduleError extends Error {}

function parseNumber(text: string): number {
  if (!/^[+-]?\d+$/.test(text))
    throw new ScheduleError(`failed to parse int from ${text}: strconv.Atoi: parsing ${JSON.stringify(text)}: invalid syntax`);
  const value = Number(text);
  if (value < 0) throw new ScheduleError(`negative number (${value}) not allowed: ${text}`);
  return value;
}

function parseNumberOrName(text: string, { names, firstName }: Bounds): number {
  const at = names.indexOf(text.toLowerCase());
  return at >= 0 ? at + firstName : parseNumber(text);
}

/** `*`, `5`, `1-5`, each with an optional `/step`. */
function checkRange(expression: string, field: Bounds): void {
  const [range = '', stepText, ...more] = expression.split('/');
  const [low = '', high, ...rest] = range.split('-');
  let start: number;
  let end: number;
  if (low === '*' || low === '?') {
    start = field.min;
    end = field.max;
  } else {
    start = parseNumberOrName(low, field);
    if (rest.length > 0) throw new ScheduleError(`too many hyphens: ${expression}`);
    end = high === undefined ? start : parseNumberOrName(high, field);
  }
  if (more.length > 0) throw new ScheduleError(`too many slashes: ${expression}`);
  const step = stepText === undefined ? 1 : parseNumber(stepText);
  // `N/step` means from N to the end.
  if (stepText !== undefined && high === undefined) end = field.max;
  if (start < field.min) throw new ScheduleError(`beginning of range (${start}) below minimum (${field.min}): ${expression}`);
  if (end > field.max) throw new ScheduleError(`end of range (${end}) above maximum (${field.max}): ${expression}`);
  if (start > end) throw new ScheduleError(`beginning of range (${start}) beyond end of range (${end}): ${expression}`);
  if (step === 0) throw new ScheduleError(`step of range should be a positive number: ${expression}`);
}

const duration = /^[+-]?(\d+(\.\d*)?|\.\d+)(ns|us|µs|μs|ms|s|m|h)(?:(\d+(\.\d*)?|\.\d+)(ns|us|µs|μs|ms|s|m|h))*$/;

function check(spec: string): void {
  if (spec === '') throw new ScheduleError('empty spec string');
  const zoned = /^(?:CRON_)?TZ=(\S*)\s*(.*)$/.exec(spec);
  if (zoned) {
    const [, zone = '', rest = ''] = zoned;
    if (!isTimeZone(zone)) throw new ScheduleError(`provided bad location ${zone}: unknown time zone ${zone}`);
    check(rest);
    return;
  }
  if (spec.startsWith('@')) {
    if (descriptors.includes(spec)) return;
    const every = '@every ';
    if (!spec.startsWith(every)) throw new ScheduleError(`unrecognized descriptor: ${spec}`);
    const text = spec.slice(every.length);
    if (!duration.test(text) && text !== '0')
      throw new ScheduleError(`failed to parse duration ${spec}: time: invalid duration ${JSON.stringify(text)}`);
    return;
  }
  const fields = spec.split(/\s+/).filter((f) => f !== '');
  if (fields.length !== bounds.length)
    throw new ScheduleError(`expected exactly ${bounds.length} fields, found ${fields.length}: [${fields.join(' ')}]`);
  for (const [i, field] of bounds.entries())
    for (const expression of (fields[i] ?? '').split(',').filter((e) => e !== '')) checkRange(expression, field);
}

/** What is wrong with a schedule such as `0 3 * * 1-5` or `@daily`; undefined where nothing is. */
export function scheduleProblem(spec: string): string | undefined {
  try {
    check(spec);
    return undefined;
  } catch (error) {
    if (error instanceof ScheduleError) return error.message;
    throw error;
  }
}

/** Whether the runtime's time zone database knows the name. */
export function isTimeZone(name: string): boolean {
  // Offsets such as `+02:00` are zones to Intl, but none to Kubernetes.
  if (!/^[A-Za-z]/.test(name)) return name === '';
  try {
    const { timeZone } = new Intl.DateTimeFormat('en', { timeZone: name }).resolvedOptions();
    // Names have one case, which Intl overlooks.
    return timeZone === name || timeZone.toLowerCase() !== name.toLowerCase();
  } catch (error) {
    if (error instanceof RangeError) return false;
    throw error;
  }
}
