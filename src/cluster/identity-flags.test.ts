import { expect, it } from 'vitest';
import { allowsAnonymous, identityOptions } from './identity-flags.ts';

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

it('has no headers and no issuers that say nothing', () => {
  const why = (args: Record<string, string>) => expect(() => identityOptions(args, 'https://issuer'));
  why({ 'requestheader-username-headers': 'X-Remote-User, ,X-User' }).toThrow('empty value in "requestheader-username-headers"');
  why({ 'service-account-issuer': 'https://good,://bad' }).toThrow(
    "service-account-issuer contained a ':' but was not a valid URL: ://bad",
  );
  expect(identityOptions({ 'requestheader-allowed-names': '' }, 'https://issuer').requestHeader).toEqual({ allowedNames: [] });
});
