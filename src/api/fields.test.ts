import { describe, expect, it } from 'vitest';
import { FieldErrors, FieldPath, fieldErrorMessage, goQuote } from './fields.ts';
import { errors } from './status-error.ts';

const path = new FieldPath('spec').child('x');
const message = (report: (errors: FieldErrors) => void) => {
  const found = new FieldErrors();
  report(found);
  return found.list.map(fieldErrorMessage).join();
};

describe('FieldErrors', () => {
  it.each([
    ['plain', '"plain"'],
    ['say "hi" \\', '"say \\"hi\\" \\\\"'],
    ['a\nb\tc\u0007', '"a\\nb\\tc\\a"'],
    ['\u0001\u007f', '"\\x01\\x7f"'],
    ['zero\u200bwidth', '"zero\\u200bwidth"'],
    ['<größer> 世界 😀', '"<größer> 世界 😀"'],
  ])('quotes %j as Go does', (text, quoted) => {
    expect(goQuote(text)).toBe(quoted);
    expect(message((e) => e.invalid(path, text, 'no'))).toBe(`spec.x: Invalid value: ${quoted}: no`);
  });

  it('shows what is no text as Go writes JSON', () => {
    expect(message((e) => e.invalid(path, undefined, 'no'))).toBe('spec.x: Invalid value: null: no');
    expect(message((e) => e.invalid(path, { a: '<b>&' }, 'no'))).toBe('spec.x: Invalid value: {"a":"\\u003cb\\u003e\\u0026"}: no');
  });

  it('lets an update keep what was wrong before, and nothing else', () => {
    const check = (value: string) => {
      const found = new FieldErrors();
      found.ratcheting(() => found.invalid(path, value, 'old style'));
      found.invalid(path, value, 'never');
      return found;
    };
    const kept = check('a');
    kept.dropKept(() => check('a'));
    expect(kept.list.map(fieldErrorMessage)).toEqual(['spec.x: Invalid value: "a": never']);
    const changed = check('b');
    changed.dropKept(() => check('a'));
    expect(changed.list).toHaveLength(2);
  });

  it('says a thing once, in as many causes as there are', () => {
    const found = new FieldErrors();
    for (let i = 0; i < 2; i++) found.required(path);
    const { status } = errors.invalid({ group: '', kind: 'Pod' }, 'web', found.list);
    expect(status.message).toBe('Pod "web" is invalid: spec.x: Required value');
    expect(status.details?.causes).toHaveLength(2);
  });
});
