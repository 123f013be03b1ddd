import { describe, expect, it } from 'vitest';
import { FieldErrors, fieldErrorMessage } from '../fields.ts';
import type { FlowSchema, PriorityLevelConfiguration } from '../generated/flowcontrol.v1.ts';
import { mandatoryConfiguration, suggestedConfiguration } from './bootstrap-configuration.ts';
import { flowSchema } from './flow-schema.ts';
import { priorityLevelConfiguration } from './priority-level-configuration.ts';

const schemaOf = (name: string, spec: object) =>
  ({ apiVersion: 'flowcontrol.apiserver.k8s.io/v1', kind: 'FlowSchema', metadata: { name }, spec }) as FlowSchema;
const levelOf = (name: string, spec: object) =>
  ({
    apiVersion: 'flowcontrol.apiserver.k8s.io/v1',
    kind: 'PriorityLevelConfiguration',
    metadata: { name },
    spec,
  }) as PriorityLevelConfiguration;

function problemsOf(object: FlowSchema | PriorityLevelConfiguration): string[] {
  const errors = new FieldErrors();
  if (object.kind === 'FlowSchema') flowSchema.validate?.(object as FlowSchema, errors);
  else priorityLevelConfiguration.validate?.(object as PriorityLevelConfiguration, errors);
  return errors.list.map(fieldErrorMessage);
}

describe('flow control kinds', () => {
  it('accept the configuration that clusters begin with, and defaulting leaves it as it is', () => {
    for (const { flowSchemas, priorityLevels } of [mandatoryConfiguration, suggestedConfiguration]) {
      for (const [name, spec] of flowSchemas) {
        const schema = schemaOf(name, structuredClone(spec));
        flowSchema.defaults?.(schema);
        expect(schema.spec).toEqual(spec);
        expect(problemsOf(schema)).toEqual([]);
      }
      for (const [name, spec] of priorityLevels) {
        const level = levelOf(name, structuredClone(spec));
        priorityLevelConfiguration.defaults?.(level);
        expect(level.spec).toEqual(spec);
        expect(problemsOf(level)).toEqual([]);
      }
    }
  });

  it('say what is wrong in the field it is wrong in', () => {
    expect(
      problemsOf(
        schemaOf('mine', {
          priorityLevelConfiguration: { name: '' },
          matchingPrecedence: 1,
          rules: [
            { subjects: [], resourceRules: [{ verbs: ['*', 'get'], apiGroups: [], resources: ['pods'] }] },
            { subjects: [{ kind: 'User', group: { name: 'a' } }] },
          ],
        }),
      ),
    ).toEqual([
      "spec.matchingPrecedence: Invalid value: 1: only the schema named 'exempt' may have matchingPrecedence 1",
      'spec.priorityLevelConfiguration.name: Required value: must reference a priority level',
      'spec.rules[0].subjects: Required value: subjects must contain at least one value',
      `spec.rules[0].resourceRules[0].verbs: Invalid value: ["*","get"]: if '*' is present, must not specify other verbs`,
      'spec.rules[0].resourceRules[0].apiGroups: Required value: resource rules must supply at least one api group',
      'spec.rules[0].resourceRules[0].namespaces: Required value: resource rules that are not cluster scoped must supply at least one namespace',
      "spec.rules[1].subjects[0].user: Required value: user is required when subject kind is 'User'",
      "spec.rules[1].subjects[0].group: Forbidden: group is forbidden when subject kind is not 'Group'",
      'spec.rules[1]: Required value: at least one of resourceRules and nonResourceRules has to be non-empty',
    ]);
    const queue = (queues: number, handSize: number) => ({
      type: 'Limited',
      limited: { nominalConcurrencyShares: 1, limitResponse: { type: 'Queue', queuing: { queues, handSize, queueLengthLimit: 1 } } },
    });
    expect(problemsOf(levelOf('mine', queue(4, 5)))).toEqual([
      'spec.limited.limitResponse.queuing.handSize: Invalid value: 5: should not be greater than queues (4)',
    ]);
    expect(problemsOf(levelOf('mine', queue(1024, 8)))).toEqual([
      'spec.limited.limitResponse.queuing.handSize: Invalid value: 8: required entropy bits of deckSize 1024 and handSize 8 should not be greater than 60',
    ]);
    expect(problemsOf(levelOf('exempt', { type: 'Exempt', exempt: { nominalConcurrencyShares: 5, lendablePercent: 10 } }))).toEqual([]);
    expect(problemsOf(levelOf('catch-all', queue(4, 1))).at(-1)).toContain("spec of 'catch-all' must equal the fixed value");
  });

  it('keep the meaning of shares through earlier versions', () => {
    const [third, second] = priorityLevelConfiguration.versions ?? [];
    const zero = levelOf('mine', { type: 'Limited', limited: { nominalConcurrencyShares: 0, limitResponse: { type: 'Reject' } } });
    const asThird = third?.fromStorage(zero);
    third?.defaults?.(asThird ?? zero);
    expect(third?.toStorage(asThird ?? zero)).toEqual(zero);
    expect(second?.fromStorage(levelOf('mine', { type: 'Limited', limited: { nominalConcurrencyShares: 7 } }))).toMatchObject({
      spec: { limited: { assuredConcurrencyShares: 7 } },
    });
  });
});
