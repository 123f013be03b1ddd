/** Defaults of the table's default column, applied wherever a type has one. What a column can't say is in a kind's `defaults`. */
import { roundUpToMilli } from './quantity.ts';
import type { Field, StructNode, TypeNode } from './schema/node.ts';

type JsonObject = Record<string, unknown>;
type Apply = (value: JsonObject) => void;

const compiled = new Map<TypeNode, Apply | undefined>();

function below(node: TypeNode): Apply | undefined {
  switch (node.kind) {
    case 'struct':
      return compile(node);
    case 'union':
      return undefined;
    case 'list': {
      const each = below(node.item);
      // A list's value is an array of what its item's node describes.
      return each && ((value) => (value as unknown as JsonObject[]).forEach(each));
    }
    case 'map': {
      const each = below(node.value);
      return each && ((value) => (Object.values(value) as JsonObject[]).forEach(each));
    }
    default:
      return undefined;
  }
}

/** Amounts of resources are counted in thousandths at the finest, but for the overhead of RuntimeClasses. */
const isRounded = (field: Field, owner: StructNode) =>
  field.node.typeName === 'core.v1.ResourceList' && owner.typeName !== 'node.v1.Overhead';

function roundAmounts(list: JsonObject): void {
  for (const [name, amount] of Object.entries(list)) if (typeof amount === 'string') list[name] = roundUpToMilli(amount);
}

/** The function that gives a struct its defaults, or undefined where nothing in it has any: most of an object is never visited. */
function compile(node: StructNode): Apply | undefined {
  if (compiled.has(node)) return compiled.get(node);
  // Breaks recursion through types that contain themselves, none of which has defaults.
  compiled.set(node, undefined);
  const steps: Apply[] = [];
  for (const field of node.fields) {
    const { name } = field;
    if (field.default !== undefined) {
      const { default: value } = field;
      // The zero value of a field without omitempty is there, and is the same as none.
      const zero = field.pointer ? undefined : typeof value === 'string' ? '' : typeof value === 'number' ? 0 : false;
      if (value !== zero)
        steps.push((object) => {
          if (object[name] === undefined || object[name] === null || object[name] === zero) object[name] = value;
        });
    }
    const inner = isRounded(field, node) ? roundAmounts : below(field.node);
    if (inner)
      steps.push((object) => {
        const value = object[name];
        if (typeof value === 'object' && value !== null) inner(value as JsonObject);
      });
  }
  const apply: Apply | undefined =
    steps.length === 0
      ? undefined
      : (value) => {
          for (const step of steps) step(value);
        };
  compiled.set(node, apply);
  return apply;
}

/** Fills in the table's defaults, in place. */
export function applyTableDefaults(node: StructNode, object: object): void {
  // Objects are plain JSON.
  compile(node)?.(object as JsonObject);
}
