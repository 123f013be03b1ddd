/** Versions as expressions write them (k8s.io/apiserver/pkg/cel/library/semverlib.go). */
import { parseSemver, type Semver } from '../semver.ts';

interface Read {
  value: Semver | undefined;
  /** Why there is none, in the words of upstream's parser. */
  problem: string;
}

function problemOf(text: string): string {
  if (text === '') return 'Version string empty';
  const core = text.split('.', 3);
  if (core.length !== 3) return 'No Major.Minor.Patch elements found';
  const names = ['Major', 'Minor', 'Patch'];
  for (const [i, part] of core.entries()) {
    const digits = i === 2 ? (/^[^-+]*/.exec(part)?.[0] ?? '') : part;
    if (/[^0-9]/.test(digits)) return `Invalid character(s) found in ${names[i]?.toLowerCase()} number ${JSON.stringify(digits)}`;
    if (digits.length > 1 && digits.startsWith('0')) return `${names[i]} number must not contain leading zeroes ${JSON.stringify(digits)}`;
  }
  return `Invalid Semantic Version ${JSON.stringify(text)}`;
}

/** With `normalize`, `v1.2`, `1` and `01.02.03` are versions, too. */
export function readSemver(text: string, normalize: boolean): Read {
  let written = text;
  if (normalize) {
    const [, core = '', rest = ''] = /^v?([0-9.]*)(.*)$/s.exec(text) ?? [];
    const numbers = core.split('.').map((part) => part.replace(/^0+(?=\d)/, ''));
    if (rest === '') while (numbers.length < 3) numbers.push('0');
    written = numbers.join('.') + rest;
  }
  return { value: parseSemver(written), problem: problemOf(written) };
}
