/** Printer columns of custom resources: cells by JSONPath (`k8s.io/apiextensions-apiserver/pkg/registry/customresource/tableconvertor`). */
import type { CustomResourceColumnDefinition } from '../generated/apiextensions.v1.ts';
import type { Column } from '../kind.ts';
import { ageColumn, nameColumn, translateTimestampSince } from '../printing.ts';
import type { KubeObject } from '../resource.ts';
import { compileJsonPath } from './json-path.ts';

const text = (value: unknown) => (typeof value === 'string' ? value : JSON.stringify(value));

function cell(value: unknown, type: string, nowMs: number): string | number | bigint | boolean | null {
  switch (type) {
    case 'integer':
      return typeof value === 'bigint' ? value : typeof value === 'number' ? Math.trunc(value) : null;
    case 'number':
      return typeof value === 'bigint' ? Number(value) : typeof value === 'number' ? value : null;
    case 'boolean':
      return typeof value === 'boolean' ? value : null;
    case 'date':
      if (typeof value !== 'string') return '<invalid>';
      return Number.isNaN(Date.parse(value)) ? '<invalid>' : translateTimestampSince(value, nowMs);
    default:
      return value === null || value === undefined ? null : text(value);
  }
}

/** The columns of a version: NAME, then its own, or NAME and AGE. `shown` gives the object in that version. */
export function customColumns(
  columns: readonly CustomResourceColumnDefinition[] | undefined,
  shown: (object: KubeObject) => KubeObject,
): Column[] {
  if (!columns?.length) return [nameColumn, ageColumn];
  const own = columns.map(({ name, type, format, description, priority, jsonPath }): Column => {
    const read = compileJsonPath(jsonPath);
    return {
      name,
      // Validation of the definition admits no others.
      type: type as NonNullable<Column['type']>,
      format: format ?? '',
      description: description ?? `Custom resource definition column (in JSONPath format): ${jsonPath}`,
      priority: priority ?? 0,
      value(object, nowMs) {
        const found = read(shown(object));
        if (found.length === 0 || found[0] === null) return null;
        if (type === 'string' && found.length > 1) return found.map(text).join(' ');
        return cell(found[0], type, nowMs);
      },
    };
  });
  return [nameColumn, ...own];
}
