import { expect, it } from 'vitest';
import { RuntimeError } from '../../runtime/index.ts';
import { pullFailureText } from './image-puller.ts';

it("gives the runtime's words for a failed pull, with its code where that says something", () => {
  expect(pullFailureText(new RuntimeError('UNKNOWN', 'failed to resolve reference'))).toBe('failed to resolve reference');
  expect(pullFailureText(new RuntimeError('NOT_FOUND', 'no such image'))).toBe('rpc error: code = NotFound desc = no such image');
});
