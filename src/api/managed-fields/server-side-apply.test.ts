import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { decodeValue } from '../decode.ts';
import type { Deployment } from '../generated/apps.v1.ts';
import type { Pod } from '../generated/core.v1.ts';
import { structNode } from '../schema/table.ts';
import { StatusError } from '../status-error.ts';
import { difference, type FieldFilter, type FieldSet, intersection, paths, recursiveDifference, union } from './field-set.ts';
import { applyConfiguration, applyUpdate } from './server-side-apply.ts';

const node = structNode('apps.v1.Deployment');
const time = '2024-01-01T00:00:00Z';
const later = '2024-01-01T00:01:00Z';
const resetFields: FieldFilter = { reset: { 'f:status': {} } };
const operation = { node, apiVersion: 'apps/v1', time, resetFields };

const config = (replicas: number | undefined, image: string, more: object = {}) => ({
  apiVersion: 'apps/v1',
  kind: 'Deployment',
  metadata: { name: 'web', labels: { app: 'web' } },
  spec: {
    ...(replicas === undefined ? {} : { replicas }),
    selector: { matchLabels: { app: 'web' } },
    template: {
      metadata: { labels: { app: 'web' } },
      spec: { containers: [{ name: 'c', image, ports: [{ containerPort: 80 }], ...more }] },
    },
  },
});
const specOf = ({ spec }: ReturnType<typeof config>) => ({ spec });
const decoded = (value: unknown) => decodeValue(node, value) as Deployment;
const fieldsOf = (object: Deployment, manager: string) => object.metadata.managedFields?.find((m) => m.manager === manager)?.fieldsV1;
const ownedPaths = (object: Deployment, manager: string) => [...paths((fieldsOf(object, manager) ?? {}) as FieldSet)];

const created = applyUpdate({
  ...operation,
  manager: 'kubectl-create',
  live: undefined,
  next: decoded(config(3, 'nginx:1', { resources: { limits: { cpu: '1' } } })),
});

describe('ownership by create and update', () => {
  it('has the form that upstream gives it', () => {
    expect(created.metadata.managedFields).toEqual([
      {
        manager: 'kubectl-create',
        operation: 'Update',
        apiVersion: 'apps/v1',
        time,
        fieldsType: 'FieldsV1',
        fieldsV1: {
          'f:metadata': { 'f:labels': { '.': {}, 'f:app': {} } },
          'f:spec': {
            'f:replicas': {},
            'f:selector': {},
            'f:template': {
              'f:metadata': { 'f:labels': { '.': {}, 'f:app': {} } },
              'f:spec': {
                'f:containers': {
                  'k:{"name":"c"}': {
                    '.': {},
                    'f:image': {},
                    'f:name': {},
                    'f:ports': { '.': {}, 'k:{"containerPort":80,"protocol":"TCP"}': { '.': {}, 'f:containerPort': {} } },
                    'f:resources': { '.': {}, 'f:limits': { '.': {}, 'f:cpu': {} } },
                  },
                },
              },
            },
          },
        },
      },
    ]);
  });

  it('moves to whoever changes a field, and leaves an unchanged object alone', () => {
    const scaled = applyUpdate({
      ...operation,
      manager: 'hpa',
      subresource: 'scale',
      time: later,
      live: created,
      next: { ...created, spec: { ...created.spec, replicas: 5 } },
    });
    expect(ownedPaths(scaled, 'hpa')).toEqual(['.spec.replicas']);
    expect(scaled.metadata.managedFields?.map(({ manager, time }) => [manager, time])).toEqual([
      ['hpa', undefined],
      ['kubectl-create', operation.time],
    ]);
    expect(ownedPaths(scaled, 'kubectl-create')).not.toContain('.spec.replicas');
    const same = applyUpdate({ ...operation, manager: 'x', time: later, live: scaled, next: structuredClone(scaled) });
    expect(same.metadata.managedFields).toEqual(scaled.metadata.managedFields);
  });

  it('forgets all when asked to by one empty entry', () => {
    expect(
      applyUpdate({
        ...operation,
        manager: 'x',
        live: created,
        next: { ...created, metadata: { ...created.metadata, managedFields: [{}] } },
      }).metadata.managedFields,
    ).toBeUndefined();
  });

  it('merges the oldest updaters when there are more than ten', () => {
    let object = created;
    for (let i = 0; i < 15; i++) {
      const labels = { ...object.metadata.labels, [`l${i}`]: 'x' };
      object = applyUpdate({
        ...operation,
        manager: `m${i}`,
        time: `2024-01-01T00:0${Math.trunc(i / 10)}:0${i % 10}Z`,
        live: object,
        next: { ...object, metadata: { ...object.metadata, labels } },
      });
    }
    expect(object.metadata.managedFields).toHaveLength(10);
    expect(object.metadata.managedFields?.some((m) => m.manager === 'ancient-changes')).toBe(true);
  });
});

describe('server-side apply', () => {
  const apply = (live: Deployment | undefined, manager: string, value: unknown, force = false, at = later) =>
    applyConfiguration<Deployment>({ ...operation, time: at, manager, live, config: value, force });
  const first = apply(undefined, 'me', config(3, 'nginx:1'));

  it('creates, and owns what was named', () => {
    expect(first.metadata.managedFields?.[0]).toMatchObject({ manager: 'me', operation: 'Apply', apiVersion: 'apps/v1' });
    expect(ownedPaths(first, 'me')).toEqual([
      '.metadata.labels.app',
      '.spec.replicas',
      '.spec.selector',
      '.spec.template.metadata.labels.app',
      '.spec.template.spec.containers[name="c"]',
      '.spec.template.spec.containers[name="c"].image',
      '.spec.template.spec.containers[name="c"].name',
      '.spec.template.spec.containers[name="c"].ports[containerPort=80,protocol="TCP"]',
      '.spec.template.spec.containers[name="c"].ports[containerPort=80,protocol="TCP"].containerPort',
    ]);
  });

  it('changes nothing when applied again', () => {
    expect(apply(first, 'me', config(3, 'nginx:1'), false, '2030-01-01T00:00:00Z')).toBe(first);
  });

  it('says no time of who comes to own what stays as it is, and one once something changes', () => {
    const times = (object: Deployment) => object.metadata.managedFields?.map(({ manager, time }) => [manager, time]);
    const joined = apply(first, 'other', config(3, 'nginx:1'), false, '2030-01-01T00:00:00Z');
    expect(times(joined)).toEqual([
      ['other', undefined],
      ['me', later],
    ]);
    const changed = apply(joined, 'other', config(3, 'nginx:2'), true, '2031-01-01T00:00:00Z');
    expect(times(changed)).toEqual([
      ['me', later],
      ['other', '2031-01-01T00:00:00Z'],
    ]);
  });

  it('refuses to take fields from others unless forced', () => {
    const live = applyUpdate({ ...operation, manager: 'kubectl-client-side-apply', live: undefined, next: decoded(config(3, 'nginx:1')) });
    expect(() => apply(live, 'me', config(4, 'nginx:1'))).toThrow(
      expect.objectContaining({
        code: 409,
        message: 'Apply failed with 1 conflict: conflict with "kubectl-client-side-apply" using apps/v1: .spec.replicas',
      }),
    );
    expect(() => apply(live, 'me', config(4, 'nginx:2'))).toThrow(
      'Apply failed with 2 conflicts: conflicts with "kubectl-client-side-apply" using apps/v1:\n- .spec.replicas\n- .spec.template.spec.containers[name="c"].image',
    );
    const forced = apply(live, 'me', config(4, 'nginx:1'), true);
    expect(forced.spec.replicas).toBe(4);
    expect(ownedPaths(forced, 'kubectl-client-side-apply')).not.toContain('.spec.replicas');
    expect(ownedPaths(forced, 'me')).toContain('.spec.replicas');
  });

  it('shares a field that two apply alike, and removes it when the last owner stops', () => {
    const shared = apply(first, 'other', {
      apiVersion: 'apps/v1',
      kind: 'Deployment',
      metadata: { name: 'web', labels: { app: 'web', team: 'a' } },
    });
    expect(shared.metadata.labels).toEqual({ app: 'web', team: 'a' });
    const dropped = apply(shared, 'other', { apiVersion: 'apps/v1', kind: 'Deployment', metadata: { name: 'web' } });
    expect(dropped.metadata.labels).toEqual({ app: 'web' });
    expect(dropped.metadata.managedFields).toHaveLength(1);
  });

  it('removes list items and fields that are not applied any more, keeping those of others', () => {
    const two = config(3, 'nginx:1', {
      env: [
        { name: 'A', value: '1' },
        { name: 'B', value: '2' },
      ],
    });
    const withEnv = apply(first, 'me', two);
    const sidecar = applyUpdate({
      ...operation,
      manager: 'injector',
      time: later,
      live: withEnv,
      next: decoded({
        ...withEnv,
        spec: {
          ...withEnv.spec,
          template: {
            ...withEnv.spec.template,
            spec: {
              ...withEnv.spec.template.spec,
              containers: [...(withEnv.spec.template.spec?.containers ?? []), { name: 'proxy', image: 'p' }],
            },
          },
        },
      }),
    });
    const next = apply(sidecar, 'me', config(undefined, 'nginx:1', { env: [{ name: 'B', value: '2' }] }));
    const containers = next.spec.template.spec?.containers;
    expect(containers?.map((c) => c.name)).toEqual(['c', 'proxy']);
    expect(containers?.[0]?.env).toEqual([{ name: 'B', value: '2' }]);
    expect(next.spec.replicas).toBeUndefined();
  });

  it('keeps what names the object where a configuration gives up all its metadata', () => {
    const metadata = { name: 'web', namespace: 'default', uid: 'u', resourceVersion: '7' };
    const labelled = applyConfiguration({
      ...operation,
      manager: 'me',
      force: false,
      live: undefined,
      config: { metadata: { ...metadata, labels: { app: 'web' } }, spec: { replicas: 1 } },
    }) as Deployment;
    const bare = apply(labelled, 'me', { metadata: { name: 'web', namespace: 'default' }, spec: { replicas: 1 } });
    const { managedFields: _, ...left } = bare.metadata;
    expect(left).toEqual(metadata);
    expect(ownedPaths(bare, 'me')).toEqual(['.spec.replicas']);
  });

  it('takes the configuration order and replaces atomic lists', () => {
    const pod = structNode('core.v1.Pod');
    const make = (names: string[], args: string[]) => ({
      metadata: { name: 'p' },
      spec: { containers: names.map((name) => ({ name, image: 'i', args })) },
    });
    const podOperation = { node: pod, apiVersion: 'v1', time, manager: 'me', force: false };
    const one = applyConfiguration<Pod>({ ...podOperation, live: undefined, config: make(['a', 'b'], ['1', '2']) });
    const swapped = applyConfiguration<Pod>({ ...podOperation, live: one, config: make(['b', 'a'], ['3']) });
    expect(swapped.spec.containers.map((c) => [c.name, c.args])).toEqual([
      ['b', ['3']],
      ['a', ['3']],
    ]);
  });

  it('starts with before-first-apply where nobody was recorded', () => {
    const bare = decoded(config(3, 'nginx:1'));
    const { managedFields } = apply(bare, 'me', {
      apiVersion: 'apps/v1',
      kind: 'Deployment',
      metadata: { name: 'web', labels: { x: 'y' } },
    }).metadata;
    expect(managedFields?.map((m) => [m.manager, m.operation])).toEqual([
      ['me', 'Apply'],
      ['before-first-apply', 'Update'],
    ]);
  });

  it('refuses list items without their key', () => {
    expect(() => apply(first, 'me', { spec: { template: { spec: { containers: [{ image: 'x' }] } } } })).toThrow(
      'failed to create typed patch object (/; apps/v1, Kind=Deployment): .spec.template.spec.containers: element 0: associative list with keys has an element that omits key field "name" (and doesn\'t have default value)',
    );
  });

  it('throws nothing but a StatusError and is idempotent, whatever is applied', () => {
    const keys = fc.constantFrom(
      'metadata',
      'spec',
      'template',
      'containers',
      'name',
      'labels',
      'finalizers',
      'ports',
      '__proto__',
      'env',
      'image',
    );
    const json = fc.letrec((tie) => ({
      value: fc.oneof(
        { depthSize: 'medium' },
        fc.constantFrom(null, true, 1, 'one', ''),
        fc.array(tie('value')),
        fc.dictionary(keys, tie('value')),
      ),
    })).value;
    fc.assert(
      fc.property(fc.dictionary(keys, json), (raw) => {
        try {
          const value = decodeValue(structNode('core.v1.Pod'), JSON.parse(JSON.stringify(raw)));
          const options = { node: structNode('core.v1.Pod'), apiVersion: 'v1', time, manager: 'me', force: true, config: value };
          const once = applyConfiguration<Pod>({ ...options, live: undefined });
          expect(applyConfiguration<Pod>({ ...options, live: once })).toBe(once);
        } catch (error) {
          if (!(error instanceof StatusError) && (error as Error).name !== 'DecodeError') throw error;
        }
      }),
    );
  });
});

describe('field sets', () => {
  const keys = fc.constantFrom('f:a', 'f:b', 'k:{"name":"x"}', 'v:1');
  const set = fc.letrec<{ node: FieldSet }>((tie) => ({
    node: fc.oneof({ maxDepth: 4, withCrossShrink: true }, fc.constant({}), fc.dictionary(keys, tie('node'), { maxKeys: 3 })),
  })).node;
  const list = (s: FieldSet) => [...paths(s)].sort();

  it('behave as sets of paths', () => {
    fc.assert(
      fc.property(set, set, (a, b) => {
        const [x, y] = [new Set(list(a)), new Set(list(b))];
        expect(list(union(a, b))).toEqual([...x.union(y)].sort());
        expect(list(difference(a, b))).toEqual([...x.difference(y)].sort());
        expect(list(intersection(a, b))).toEqual([...x.intersection(y)].sort());
        expect(list(recursiveDifference(a, b)).every((p) => !y.has(p))).toBe(true);
      }),
    );
  });
});

describe('kubectl that goes over from client-side apply', () => {
  const annotation = 'kubectl.kubernetes.io/last-applied-configuration';
  const text = JSON.stringify(config(3, 'nginx:1'));
  const live = applyUpdate({
    ...operation,
    manager: 'kubectl-client-side-apply',
    live: undefined,
    next: decoded({ ...config(3, 'nginx:1'), metadata: { name: 'web', labels: { app: 'web' }, annotations: { [annotation]: text } } }),
  });

  it('takes what it had applied, and keeps its annotation up to date', () => {
    const next = applyConfiguration({ ...operation, live, config: config(4, 'nginx:2'), manager: 'kubectl', force: false });
    expect(next.spec.replicas).toBe(4);
    const told = next.metadata.annotations?.[annotation] ?? '';
    expect(told.endsWith('}\n')).toBe(true);
    expect(JSON.parse(told)).toEqual(config(4, 'nginx:2'));
    const escaped = applyConfiguration({ ...operation, live, config: config(4, 'a<b&c'), manager: 'kubectl', force: false });
    expect(escaped.metadata.annotations?.[annotation]).toContain('"image":"a\\u003cb\\u0026c"');
  });

  it('leaves an annotation that is empty, and loses one that would be too long', () => {
    const empty = { ...live, metadata: { ...live.metadata, annotations: { [annotation]: '' } } };
    const apply = (live: Deployment, image: string) =>
      applyConfiguration({ ...operation, live, config: config(3, image), manager: 'kubectl', force: true }).metadata.annotations;
    expect(apply(empty, 'i')).toEqual({ [annotation]: '' });
    expect(apply(live, 'x'.repeat(256 * 1024))).toEqual({});
  });

  const others = [{ ...config(3, 'nginx:1'), apiVersion: 'apps/v1beta2' }, config(3, 'nginx:1', { unheard: 'of' })];
  it.each(['{', 'null', '7', '{"x":'.repeat(40_000) + '1'.padEnd(40_001, '}'), ...others.map((other) => JSON.stringify(other))])(
    'takes nothing by an annotation that is none: %.9s',
    (none) => {
      const metadata = { ...live.metadata, annotations: { [annotation]: none } };
      const next = () =>
        applyConfiguration({ ...operation, live: { ...live, metadata }, config: config(4, 'nginx:1'), manager: 'kubectl', force: false });
      expect(next).toThrow('conflict with "kubectl-client-side-apply"');
    },
  );

  it('takes no more than that, and nobody else does', () => {
    const apply = (manager: string, replicas: number, more: object) =>
      applyConfiguration({ ...operation, live: changed, config: config(replicas, 'nginx:1', more), manager, force: false });
    const changed = applyUpdate({
      ...operation,
      manager: 'm',
      live,
      next: decoded({ ...live, ...specOf(config(3, 'nginx:1', { tty: true })) }),
    });
    expect(() => apply('kubectl', 5, { tty: false })).toThrow(
      'Apply failed with 1 conflict: conflict with "m" using apps/v1: .spec.template.spec.containers[name="c"].tty',
    );
    expect(() => apply('other', 5, {})).toThrow('conflict with "kubectl-client-side-apply" using apps/v1: .spec.replicas');
    const scaled = applyUpdate({ ...operation, manager: 'm', live, next: decoded({ ...live, ...specOf(config(9, 'nginx:1')) }) });
    expect(() =>
      applyConfiguration({ ...operation, live: scaled, config: config(3, 'nginx:1'), manager: 'kubectl', force: false }),
    ).toThrow('Apply failed with 1 conflict: conflict with "m" using apps/v1: .spec.replicas');
  });
});

describe('many updaters', () => {
  const update = (live: Deployment | undefined, manager: string, at: number, apiVersion = 'apps/v1'): Deployment => {
    const next = decoded({
      ...live,
      ...config(1, 'i'),
      metadata: { ...live?.metadata, labels: { ...live?.metadata.labels, [manager]: 'x' } },
    });
    return applyUpdate({ ...operation, apiVersion, live, next, manager, time: `2024-01-01T00:00:${String(at).padStart(2, '0')}Z` });
  };
  const names = (object: Deployment | undefined) => object?.metadata.managedFields?.map((m) => `${m.manager} ${m.apiVersion}`) ?? [];

  it('are merged with the next of their version, the oldest first; the only one of a version keeps its name', () => {
    let live: Deployment | undefined = update(undefined, 'only', 0, 'apps/v1beta2');
    live.metadata.uid = 'u';
    for (let i = 1; i <= 10; i++) live = update(live, `m${i}`, i);
    expect(names(live)).toEqual(['only apps/v1beta2', 'ancient-changes apps/v1', ...[3, 4, 5, 6, 7, 8, 9, 10].map((i) => `m${i} apps/v1`)]);
    expect(ownedPaths(live, 'ancient-changes')).toEqual(expect.arrayContaining(['.metadata.labels.m1', '.metadata.labels.m2']));
  });

  it('are merged too if a client names them, changing nothing else', () => {
    const live = update(undefined, 'a', 0);
    live.metadata.uid = 'u';
    const [entry] = live.metadata.managedFields ?? [];
    const managedFields = Array.from({ length: 12 }, (_, i) => ({
      ...entry,
      operation: 'Update',
      manager: `m${i}`,
      time: `2024-01-01T00:00:${i + 10}Z`,
    }));
    const next = applyUpdate({ ...operation, live, next: { ...live, metadata: { ...live.metadata, managedFields } }, manager: 'm' });
    expect(names(next)).toEqual(['ancient-changes apps/v1', ...[3, 4, 5, 6, 7, 8, 9, 10, 11].map((i) => `m${i} apps/v1`)]);
  });
});

it('who owned parts of what has become a whole since owns the whole', () => {
  const entry = {
    manager: 'old',
    operation: 'Apply',
    apiVersion: 'apps/v1',
    time,
    fieldsType: 'FieldsV1',
    fieldsV1: { 'f:spec': { 'f:replicas': {}, 'f:selector': { 'f:matchLabels': { 'f:app': {} } } } },
  };
  const live = decoded({ ...config(1, 'i'), metadata: { name: 'web', uid: 'u', managedFields: [entry] } });
  const next = applyUpdate({ ...operation, manager: 'm', live, next: decoded({ ...live, spec: { ...live.spec, minReadySeconds: 5 } }) });
  expect(fieldsOf(next, 'old')).toEqual({ 'f:spec': { 'f:replicas': {}, 'f:selector': {} } });
});
