import { expect, it } from 'vitest';
import { allowsAnonymous } from './identity-flags.ts';

it('lets nobody be anonymous where everybody may do everything', () => {
  const warnings: string[] = [];
  const allows = (args: Record<string, string>) => allowsAnonymous(args, (message) => warnings.push(message));
  expect(allows({})).toBe(true);
  expect(allows({ 'anonymous-auth': 'false', 'authorization-mode': 'AlwaysAllow' })).toBe(false);
  expect(allows({ 'authorization-mode': 'Node,RBAC' })).toBe(true);
  expect(warnings).toEqual([]);
  expect(allows({ 'authorization-mode': 'RBAC,AlwaysAllow' })).toBe(false);
  expect(warnings).toEqual([
    'AnonymousAuth is not allowed with the AlwaysAllow authorizer. Resetting AnonymousAuth to false. You should use a different authorizer',
  ]);
});
