/**
 * The log files that CRI runtimes write: `TIME STREAM TAGS CONTENT`, a line each; tag `P` says that the line goes on in the
 * stream's next entry (https://github.com/kubernetes/design-proposals-archive/blob/main/node/kubelet-cri-logging.md).
 */

export type LogStream = 'stdout' | 'stderr';

export interface LogSelection {
  /** Each line begins with when it was written. */
  timestamps: boolean;
  /** What is older is left out; milliseconds since the epoch. */
  sinceMs: number | undefined;
  /** Default: both. */
  stream: LogStream | undefined;
}

const space = 0x20;
const newline = Buffer.from('\n');
const partialTag = 0x50;

/** Where an entry's parts are; undefined for what is no entry. */
function partsOf(entry: Buffer): { time: number; stream: LogStream; partial: boolean; content: number } | undefined {
  const time = entry.indexOf(space);
  const stream = time < 0 ? -1 : entry.indexOf(space, time + 1);
  const tags = stream < 0 ? -1 : entry.indexOf(space, stream + 1);
  if (tags < 0) return undefined;
  const name = entry.toString('latin1', time + 1, stream);
  if (name !== 'stdout' && name !== 'stderr') return undefined;
  // Tags are separated by colons, the first one tells whether the line is whole.
  return { time, stream: name, partial: entry[stream + 1] === partialTag, content: tags + 1 };
}

/** Whether a line ends with this entry. What is no entry ends one. */
export function endsLine(entry: Buffer): boolean {
  return partsOf(entry)?.partial !== true;
}

/** With nine digits of a second, as upstream prints it (runtimes leave out trailing zeros). */
function fixedTime(text: string): string {
  const match = /^([^.Z+]+?)(?:\.(\d+))?(Z|[+-]\d\d:\d\d)$/.exec(text);
  return match ? `${match[1]}.${(match[2] ?? '').padEnd(9, '0')}${match[3]}` : text;
}

/** Turns entries (without their newline) into what a reader sees; it knows in the middle of which line each stream is. */
export function entryFormatter({ timestamps, sinceMs, stream: only }: LogSelection): (entry: Buffer, whole: boolean) => readonly Buffer[] {
  let tooOld = sinceMs !== undefined;
  const inLine = { stdout: false, stderr: false };
  return (entry, whole) => {
    const parts = partsOf(entry);
    if (parts === undefined) return [];
    const { time, stream, partial, content } = parts;
    if (only !== undefined && only !== stream) return [];
    const begun = inLine[stream];
    inLine[stream] = partial;
    // Entries are in the order of their times: once one is new enough, all are.
    if (tooOld && Date.parse(entry.toString('latin1', 0, time)) < (sinceMs ?? 0)) return [];
    tooOld = false;
    const out: Buffer[] = [];
    if (timestamps && !begun) out.push(Buffer.from(`${fixedTime(entry.toString('latin1', 0, time))} `));
    out.push(entry.subarray(content));
    if (!partial && whole) out.push(newline);
    return out;
  };
}
