/** Field selectors (`k8s.io/apimachinery/pkg/fields`): `metadata.name=web,status.phase!=Running`. */
import { SelectorError } from './selectors.ts';

export interface FieldRequirement {
  readonly field: string;
  readonly operator: '=' | '!=';
  readonly value: string;
}

export interface FieldSelector {
  readonly requirements: readonly FieldRequirement[];
  readonly everything: boolean;
  /** Whether an object matches whose fields `read` gives; an unset field is the empty string. */
  matches(read: (field: string) => string | undefined): boolean;
  /** The value that the selector demands of a field, if it demands one: lets a store go straight to an object. */
  exactly(field: string): string | undefined;
  toString(): string;
}

/** A value as a field selector has it. */
export const escapeFieldValue = (value: string): string => value.replace(/[\\,=]/g, '\\$&');

function unescapeValue(value: string): string {
  let out = '';
  for (let i = 0; i < value.length; i++) {
    const char = value[i] ?? '';
    if (char === '\\') {
      const next = value[++i];
      if (next === undefined) throw new SelectorError('invalid field selector: invalid escape sequence: \\');
      if (next !== '\\' && next !== ',' && next !== '=')
        throw new SelectorError(`invalid field selector: invalid escape sequence: \\${next}`);
      out += next;
    } else if (char === ',' || char === '=')
      throw new SelectorError(`invalid field selector: unescaped character in value: ${char.charCodeAt(0)}`);
    else out += char;
  }
  return out;
}

function splitTerms(text: string): string[] {
  return text.match(/(?:[^\\,]|\\[\s\S]|\\$)+/g) ?? [];
}

function parseTerm(term: string, selector: string): FieldRequirement {
  // The first operator counts: only in values can it be escaped.
  const match = /^((?:[^=!]|!(?!=))*)(!=|==|=)([\s\S]*)$/.exec(term);
  if (!match) throw new SelectorError(`invalid selector: '${selector}'; can't understand '${term}'`);
  const [, field = '', operator, value = ''] = match;
  return { field, operator: operator === '!=' ? '!=' : '=', value: unescapeValue(value) };
}

/**
 * Reads a field selector. Which fields a kind supports is for its strategy to say.
 * @throws SelectorError in upstream's words.
 */
export function parseFieldSelector(text: string): FieldSelector {
  const requirements = splitTerms(text)
    .sort()
    .map((term) => parseTerm(term, text))
    // Of nothing that is nothing every object can tell.
    .filter(({ field, value }) => field !== '' || value !== '');
  return {
    requirements,
    everything: requirements.length === 0,
    matches(read) {
      for (const { field, operator, value } of requirements) if (((read(field) ?? '') === value) !== (operator === '=')) return false;
      return true;
    },
    exactly: (field) => requirements.find((r) => r.field === field && r.operator === '=')?.value,
    toString: () => requirements.map((r) => `${r.field}${r.operator}${escapeFieldValue(r.value)}`).join(','),
  };
}
