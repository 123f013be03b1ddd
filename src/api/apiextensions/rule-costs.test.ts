/** What upstream's own tests say that rules cost (k8s.io/apiextensions-apiserver's TestCostEstimation). */
import { expect, test } from 'vitest';
import { celEnvironment, compileExpression } from '../cel/index.ts';
import type { JSONSchemaProps } from '../generated/apiextensions.v1.ts';
import { boundsOf } from './rule-bounds.ts';
import { declareSchema } from './rule-types.ts';

function costOf(schema: JSONSchemaProps, rule: string): number {
  const environment = celEnvironment();
  const type = declareSchema(environment, schema, false);
  if (type) environment.variable('self', type.type);
  return compileExpression(environment, rule).maxCost(boundsOf(schema, false));
}

type Bounded = (max?: number) => JSONSchemaProps;
const of = (type: string): JSONSchemaProps =>
  type === 'int-or-string'
    ? { 'x-kubernetes-int-or-string': true }
    : ['duration', 'date', 'date-time'].includes(type)
      ? { type: 'string', format: type }
      : { type };
const bound = (key: 'maxItems' | 'maxProperties' | 'maxLength', max: number | undefined) => (max === undefined ? {} : { [key]: max });
const listOf =
  (items: JSONSchemaProps): Bounded =>
  (max) => ({ type: 'array', items, ...bound('maxItems', max) });
const mapOf =
  (additionalProperties: JSONSchemaProps): Bounded =>
  (max) => ({ type: 'object', additionalProperties, ...bound('maxProperties', max) });
const text: Bounded = (max) => ({ type: 'string', ...bound('maxLength', max) });
const object: JSONSchemaProps = { type: 'object', properties: { required: of('string'), optional: of('string') }, required: ['required'] };
const all = 'self.all(x, true)';

test.each<[string, Bounded, string, number | 'too much', number, number]>([
  ['numbers', listOf(of('number')), all, 4718591, 10, 32],
  ['strings', listOf(of('string')), all, 3145727, 20, 62],
  ['booleans', listOf(of('boolean')), all, 1887437, 5, 17],
  ['lists of numbers', listOf(listOf(of('number'))()), all, 3145727, 100, 302],
  ['map of numbers', mapOf(of('number')), all, 1348169, 10, 32],
  ['map of strings', mapOf(of('string')), all, 1179647, 3, 11],
  ['map of booleans', mapOf(of('boolean')), all, 943718, 100, 302],
  ['contains', text, "self.contains('test')", 314574, 10, 5],
  ['startsWith', text, "self.startsWith('test')", 2, 15, 2],
  ['endsWith', text, "self.endsWith('test')", 2, 30, 2],
  ['concatenation', text, 'size(self + "hello") > size("hello")', 314578, 4, 7],
  ['index of numbers', listOf(of('number')), 'self[1] == 0.0', 2, 5000, 2],
  ['index of strings', listOf(of('string')), 'self[1] == self[1]', 314577, 8, 314577],
  ['loop in a loop', listOf(of('number')), 'self.all(x, self.all(y, true))', 'too much', 10, 352],
  ['loop in a loop in a loop', listOf(of('number')), 'self.all(x, self.all(y, self.all(z, true)))', 'too much', 10, 3552],
  ['regular expression', text, 'self.matches("x")', 314574, 50, 22],
  ['regular expression over nothing', text, '"".matches("(((((((((())))))))))[0-9]")', 7, 10, 7],
  ['empty regular expression', text, 'self.matches("")', 1, 100, 1],
  ['no items', listOf(of('number')), 'self[3] == 0.0', 2, 0, 2],
  ['no entries', mapOf(of('number')), 'self["x"] == 0.0', 2, 0, 2],
  ['no characters', text, 'self == "x"', 2, 0, 1],
  ['more than fits', listOf(of('number')), 'self.all(x, x == 0.0)', 6291454, 3 * 1024 * 2048, 25165826],
  ['ints or strings', listOf(of('int-or-string')), all, 4718591, 10, 32],
  ['index of ints or strings', listOf(of('int-or-string')), 'self[0] == 5', 3, 10, 3],
  ['index of booleans', listOf(of('boolean')), 'self[0] == false', 2, 25, 2],
  ['index of lists', listOf(listOf(of('number'))()), 'self[0][0] == -1.0', 3, 51, 3],
  ['list of maps', listOf(mapOf(of('number'))()), 'self.all(x, x.y == 25.2)', 6291452, 12, 74],
  ['index of maps', listOf(mapOf(of('number'))()), 'self[0].x > 2.0', 4, 3000, 4],
  ['durations', listOf(of('duration')), all, 2359295, 5, 17],
  ['index of durations', listOf(of('duration')), 'self[0].getHours() == 2', 4, 525, 4],
  ['dates', listOf(of('date')), all, 725936, 15, 47],
  ['index of dates', listOf(of('date')), 'self[2].getDayOfMonth() == 13', 4, 42, 4],
  ['times', listOf(of('date-time')), all, 428963, 25, 77],
  ['index of times', listOf(of('date-time')), 'self[2].getMinutes() == 45', 4, 99, 4],
  ['map of ints or strings', mapOf(of('int-or-string')), all, 1348169, 15, 47],
  ['map of objects', mapOf(object), all, 428963, 20, 62],
  ['map of maps', mapOf(mapOf(of('number'))()), all, 1179647, 10, 32],
  ['map of lists', mapOf(listOf(of('number'))()), all, 1179647, 25, 77],
  ['map of durations', mapOf(of('duration')), all, 1048577, 5, 17],
])('%s', (_, schema, rule, unbounded, max, bounded) => {
  const cost = costOf(schema(), rule);
  if (unbounded === 'too much') expect(cost).toBeGreaterThan(10_000_000);
  else expect(cost).toBe(unbounded);
  expect(costOf(schema(max), rule)).toBe(bounded);
});

test('a type is compared at once, by the name that it has', () => {
  const schema: JSONSchemaProps = { type: 'object', properties: { wait: of('duration'), at: of('date-time') } };
  expect(costOf(schema, 'type(self.wait) == google.protobuf.Duration')).toBe(4);
  expect(costOf(schema, 'type(self.at) == google.protobuf.Timestamp')).toBe(4);
});
