import type { StructNode, TypeNode } from '../schema/node.ts';

function exampleOf(node: TypeNode, path: readonly string[]): unknown {
  switch (node.kind) {
    case 'string':
      return node.enum?.[0] ?? `${path.at(-1) ?? ''}Value`;
    case 'bool':
      return true;
    case 'int':
      return Math.min(node.max, 2 + path.length);
    case 'float':
      return 1.25;
    case 'bytes':
      return 'AP8Q';
    case 'time':
      return '2026-01-02T03:04:05Z';
    case 'microTime':
      return '2026-01-02T03:04:05.000006Z';
    case 'duration':
      return '1m30s';
    case 'quantity':
      return '1500m';
    case 'intOrString':
      return path.length % 2 === 0 ? 'http' : 80;
    case 'raw':
      return { raw: [1, 'two', null, { three: 3.5 }] };
    case 'union':
      return node.other === 'bool' ? false : node.other === 'strings' ? ['a', 'b'] : fullObject(node.struct, path);
    case 'list':
      return [exampleOf(node.item, [...path, 'item'])];
    case 'map':
      return { key: exampleOf(node.value, [...path, 'key']), 'b.example/key': exampleOf(node.value, [...path, 'other']) };
    case 'struct':
      return fullObject(node, path);
  }
}

/** Types on the way to the one at hand: those that hold themselves (JSON schemas) end where they come again. */
const open = new Set<string>();

/** An object of a type with every field set, but for what embedded objects say of their own type: protobuf has no place for it. */
export function fullObject(node: StructNode, path: readonly string[] = []): Record<string, unknown> {
  const out: Record<string, unknown> = {};
  if (open.has(node.typeName)) return out;
  open.add(node.typeName);
  for (const { name, node: type } of node.fields) {
    const isTypeMeta = (name === 'kind' || name === 'apiVersion') && !node.wireFields.some((field) => field.name === name);
    if (!isTypeMeta) out[name] = exampleOf(type, [...path, name]);
  }
  open.delete(node.typeName);
  return out;
}
