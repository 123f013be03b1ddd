import { describe, expect, it } from 'vitest';
import { FieldErrors, FieldPath, fieldErrorMessage } from '../fields.ts';
import type { ResourceClaim } from '../generated/resource.v1.ts';
import { accept, rejectUpdate, served } from '../testing/accept.ts';
import { validateUid } from './checks.ts';
import { resourceClaim } from './resource-claim.ts';

const claim = (devices: object, apiVersion = 'resource.k8s.io/v1') =>
  accept({ apiVersion, kind: 'ResourceClaim', ...{ metadata: { name: 'gpus', namespace: 'default' }, spec: { devices } } });
const select = (expression: string) => ({
  requests: [{ name: 'gpu', exactly: { deviceClassName: 'gpu.example.com', selectors: [{ cel: { expression } }] } }],
});
const slice = (spec: object) =>
  accept({
    apiVersion: 'resource.k8s.io/v1',
    kind: 'ResourceSlice',
    ...{
      metadata: { name: 's' },
      spec: { driver: 'gpu.example.com', pool: { name: 'p', generation: 1, resourceSliceCount: 1 }, nodeName: 'n1', ...spec },
    },
  });

describe('resource.k8s.io', () => {
  it('asks for one device where nothing is said, in every version', () => {
    const { stored, wrong } = claim({ requests: [{ name: 'gpu', exactly: { deviceClassName: 'gpu.example.com' } }] });
    expect(wrong).toEqual([]);
    expect(stored).toMatchObject({ spec: { devices: { requests: [{ exactly: { allocationMode: 'ExactCount', count: 1 } }] } } });
    const old = claim({ requests: [{ name: 'gpu', deviceClassName: 'gpu.example.com' }] }, 'resource.k8s.io/v1beta1');
    expect(old.wrong).toEqual([]);
    expect(old.stored).toEqual(stored);
  });

  it('shows a claim in v1beta1 as it was written there', () => {
    const { stored } = claim({ requests: [{ name: 'gpu', deviceClassName: 'gpu.example.com' }] }, 'resource.k8s.io/v1beta1');
    const version = served({ apiVersion: 'resource.k8s.io/v1beta1', kind: 'ResourceClaim' })?.version;
    expect(version?.fromStorage(stored)).toMatchObject({
      apiVersion: 'resource.k8s.io/v1beta1',
      spec: { devices: { requests: [{ name: 'gpu', deviceClassName: 'gpu.example.com', allocationMode: 'ExactCount', count: 1 }] } },
    });
  });

  it.each([
    [{ requests: [{ name: 'gpu' }] }, 'spec.devices.requests[0]: Required value: exactly one of `exactly` or `firstAvailable` is required'],
    [
      { requests: [{ name: 'gpu', exactly: { deviceClassName: 'c', allocationMode: 'All', count: 2 } }] },
      "spec.devices.requests[0].exactly.count: Invalid value: 2: must not be specified when allocationMode is 'All'",
    ],
    [
      {
        requests: [{ name: 'gpu', exactly: { deviceClassName: 'c' } }],
        constraints: [{ requests: ['cpu'], matchAttribute: 'gpu.example.com/numa' }],
      },
      'spec.devices.constraints[0].requests[0]: Invalid value: "cpu": must be the name of a request in the claim or the name of a request and a subrequest separated by \'/\'',
    ],
    [
      { requests: [{ name: 'gpu', exactly: { deviceClassName: 'c' } }], config: [{ opaque: { driver: 'd', parameters: 'text' } }] },
      'spec.devices.config[0].opaque.parameters: Invalid value: "<value omitted>": must be a valid JSON object',
    ],
  ])('refuses %j', (devices, message) => {
    expect(claim(devices).wrong).toEqual([message]);
  });

  it('checks what selects devices', () => {
    for (const expression of [
      'device.driver == "gpu.example.com"',
      'device.attributes["gpu.example.com"].model == "a100"',
      'device.capacity["gpu.example.com"].memory.compareTo(quantity("10Gi")) >= 0',
      'semver("1.2.3").isLessThan(semver("2.0.0"))',
    ])
      expect(claim(select(expression)).wrong).toEqual([]);
    expect(claim(select('device.name == "x"')).wrong[0]).toContain(
      'spec.devices.requests[0].exactly.selectors[0].cel.expression: Invalid value: "device.name == \\"x\\"": compilation failed',
    );
    expect(claim(select('device.driver')).wrong[0]).toContain('must evaluate to bool');
    const digits = 'device.attributes["gpu.example.com"].model.matches("[0-9]*")';
    const often = (text: string) => `[1, 2, 3, 4, 5, 6, 7, 8, 9, 10].all(x, ${text})`;
    expect(claim(select(often(digits))).wrong).toEqual([]);
    expect(claim(select(often(often(often(often(often(digits))))))).wrong).toEqual([
      'spec.devices.requests[0].exactly.selectors[0].cel.expression: Forbidden: too complex, exceeds cost limit',
    ]);
  });

  it('checks a slice and its devices', () => {
    expect(
      slice({ devices: [{ name: 'gpu-0', attributes: { model: { string: 'a' } }, capacity: { memory: { value: '1Gi' } } }] }).wrong,
    ).toEqual([]);
    expect(slice({ nodeName: undefined }).wrong).toEqual([
      'spec: Required value: exactly one of `nodeName`, `nodeSelector`, `allNodes`, `perDeviceNodeSelection` is required',
    ]);
    expect(
      slice({
        devices: [{ name: 'gpu-0', attributes: { model: { string: 'a', bool: true }, version: { version: '1' } } }, { name: 'gpu-0' }],
      }).wrong,
    ).toEqual([
      expect.stringMatching(
        /^spec.devices\[0\].attributes\[model\]: Invalid value: \{"IntValue":null,"BoolValue":true,"StringValue":"a",.*\}: exactly one value must be specified$/,
      ),
      'spec.devices[0].attributes[version].version: Invalid value: "1": must be a string compatible with semver.org spec 2.0.0',
      'spec.devices[1]: Duplicate value: "gpu-0"',
    ]);
  });

  it('shows what may not change as upstream does', () => {
    const requests = [{ name: 'gpu', exactly: { deviceClassName: 'c' } }];
    const metadata = { name: 'gpus', namespace: 'default' };
    const { stored } = claim({ requests });
    const exactly =
      '{"DeviceClassName":"d","Selectors":null,"AllocationMode":"ExactCount","Count":1,"AdminAccess":null,"Tolerations":null,"Capacity":null}';
    const devices = `{"Devices":{"Requests":[{"Name":"gpu","Exactly":${exactly},"FirstAvailable":null}],"Constraints":null,"Config":null}}`;
    const other = claim({ requests: [{ name: 'gpu', exactly: { deviceClassName: 'd' } }] }).stored;
    expect(rejectUpdate(other, stored)).toEqual([`spec: Invalid value: ${devices}: field is immutable`]);
    const template = (deviceClassName: string) => {
      const spec = { devices: { requests: [{ name: 'gpu', exactly: { deviceClassName } }] } };
      const type = { apiVersion: 'resource.k8s.io/v1', kind: 'ResourceClaimTemplate' };
      return accept({ ...type, ...{ metadata, spec: { metadata: { labels: { a: 'b' } }, spec } } }).stored;
    };
    expect(rejectUpdate(template('d'), template('c'))).toEqual([
      `spec: Invalid value: {"labels":{"a":"b"},"Spec":${devices}}: field is immutable`,
    ]);
  });

  const gpu = { driver: 'd', pool: 'p', device: 'gpu-0' };
  const allocation = { devices: { results: [{ request: 'gpu', ...gpu }] } };
  const text = '{"Driver":"d","Pool":"p","Device":"gpu-0","ShareID":""}';
  it.each([
    [{ allocation, devices: [gpu] }, { allocation }, []],
    // What was given back is dropped, whatever it says.
    [{ devices: [gpu] }, { allocation, devices: [gpu] }, []],
    [{ devices: [gpu] }, {}, [`status.devices[0]: Invalid value: ${text}: must be an allocated device in the claim`]],
    [{ allocation, devices: [gpu, gpu] }, { allocation }, [`status.devices[1]: Duplicate value: ${text}`]],
    [
      { allocation, devices: [{ ...gpu, networkData: { ips: ['300.9.8.0/24', '010.009.008.000/24'] } }] },
      { allocation },
      [
        'status.devices[0].networkData.ips[0]: Invalid value: "300.9.8.0/24": must be a valid address in CIDR form, (e.g. 10.9.8.7/24 or 2001:db8::1/64)',
        'status.devices[0].networkData.ips[1]: Invalid value: "010.009.008.000/24": must be in canonical form ("10.9.8.0/24")',
      ],
    ],
  ])('takes %j for a state after %j', (status, before, wrong) => {
    const strategy = resourceClaim.subresources?.status;
    if (typeof strategy !== 'object') throw new Error('a claim has a status');
    const stored = claim({ requests: [{ name: 'gpu', exactly: { deviceClassName: 'c' } }] }).stored as ResourceClaim;
    const [next, prev] = [status, before].map((of) => ({ ...stored, status: structuredClone(of) as ResourceClaim['status'] }));
    if (!next || !prev) throw new Error('there are two');
    const errors = new FieldErrors();
    strategy.adjust?.(next, prev);
    strategy.validate?.(next, prev, errors);
    expect(errors.list.map(fieldErrorMessage)).toEqual(wrong);
  });

  it('warns of drivers in capitals', () => {
    const { stored } = slice({ driver: 'GPU.example.com' });
    expect(served(stored)?.definition.warnings?.(stored, undefined)).toEqual([
      'spec.driver: driver names should be lowercase; "GPU.example.com" contains uppercase characters',
    ]);
  });

  const uid = 'ab12cd34-0000-4000-8000-0123456789ab';
  it.each([
    [uid, undefined],
    [uid.toUpperCase(), 'uid must be in RFC 4122 normalized form, '],
    [`{${uid}}`, 'uid must be in RFC 4122 normalized form, '],
    [`urn:uuid:${uid}`, 'uid must be in RFC 4122 normalized form, '],
    [`urn:uid::${uid}`, 'error validating uid: invalid urn prefix: "urn:uid::"'],
    [`(${uid})`, 'error validating uid: invalid bracketed UUID format'],
    [uid.replace('-', 'g'), 'error validating uid: invalid UUID format'],
    ['x', 'error validating uid: invalid UUID length: 1'],
  ])('knows the identifier of a share: %s', (text, problem) => {
    const errors = new FieldErrors();
    validateUid(text, new FieldPath('shareID'), errors);
    const expected = problem === undefined ? [] : [expect.stringContaining(`shareID: Invalid value: "${text}": ${problem}`)];
    expect(errors.list.map(fieldErrorMessage)).toEqual(expected);
  });
});
