import { expect, it } from 'vitest';
import { versionInfo } from '../observability/index.ts';
import { reportedVersion, versionAsked } from './reported-version.ts';

const { gitVersion } = versionInfo();
const [release = ''] = /^v[\d.]+/.exec(gitVersion) ?? [];

it('tells its version where it is asked for it', () => {
  expect(versionAsked({ version: 'true' })).toBe(`Kubernetes ${gitVersion}`);
  expect(versionAsked({ version: 'raw' })).toMatch(/^version\.Info\{Major:"1", Minor:"36", .*, Platform:"\w+\/\w+"\}$/);
  for (const version of ['false', `${release}-mine`]) expect(versionAsked({ version })).toBeUndefined();
  expect(versionAsked({})).toBeUndefined();
});

it('is known as another build of the same release', () => {
  expect(reportedVersion({})).toEqual({});
  expect(reportedVersion({ version: 'false' })).toEqual({});
  expect(reportedVersion({ version: `${release}-mine` })).toEqual({ gitVersion: `${release}-mine` });
  expect(reportedVersion({ version: gitVersion })).toEqual({ gitVersion });
  expect(() => reportedVersion({ version: 'v1.0.0' })).toThrow(
    `invalid argument "v1.0.0" for "--version" flag: version "v1.0.0" must match major/minor/patch of default version "${gitVersion}"`,
  );
  expect(() => reportedVersion({ version: 'vain' })).toThrow('could not parse "vain" as version');
  expect(() => reportedVersion({ version: '1.36' })).toThrow('strconv.ParseBool: parsing "1.36": invalid syntax');
});
