/** Printer columns of custom resources: cells by JSONPath (`k8s.io/apiextensions-apiserver/pkg/registry/customresource/tableconvertor`). */
import type { CustomResourceColumnDefinition } from '../generated/apiextensions.v1.ts';
import { goJson } from '../go-values.ts';
import type { Column } from '../kind.ts';
import { ageColumn, humanDuration, nameColumn } from '../printing.ts';
import type { KubeObject } from '../resource.ts';
import { parseRfc3339 } from '../time-format.ts';
import { compileJsonPath } from './json-path.ts';

/** As client-go's JSONPath prints what it has found. */
function text(value: unknown): string {
  if (value === null) return '<no value>';
  return typeof value === 'object' ? goJson(value) : String(value);
}

function dateCell(value: string, nowMs: number): string {
  if (value === '' || value === 'null') return '<unknown>';
  const instant = parseRfc3339(value);
  return instant === undefined ? '<invalid>' : humanDuration(nowMs - instant.seconds * 1000 - instant.nanos / 1e6);
}

function cell(value: unknown, type: string, nowMs: number): string | number | bigint | boolean | null {
  switch (type) {
    case 'integer':
      return typeof value === 'bigint' ? value : typeof value === 'number' ? Math.trunc(value) : null;
    case 'number':
      return typeof value === 'bigint' ? Number(value) : typeof value === 'number' ? value : null;
    case 'boolean':
      return typeof value === 'boolean' ? value : null;
    case 'date':
      return typeof value === 'string' ? dateCell(value, nowMs) : null;
    case 'string':
      return text(value);
    default:
      return null;
  }
}

/** The columns of a version: NAME, then its own, or NAME and AGE. `shown` gives the object in that version. */
export function customColumns(
  columns: readonly CustomResourceColumnDefinition[] | undefined,
  shown: (object: KubeObject) => KubeObject,
): Column[] {
  if (!columns?.length) return [nameColumn, { ...ageColumn, type: 'date' }];
  const own = columns.map(({ name, type, format, description, priority, jsonPath }): Column => {
    const read = compileJsonPath(jsonPath);
    return {
      name,
      // Validation of the definition admits no others.
      type: type as NonNullable<Column['type']>,
      format: format ?? '',
      description: description || `Custom resource definition column (in JSONPath format): ${jsonPath}`,
      priority: priority ?? 0,
      value(object, nowMs) {
        const found = read(shown(object));
        // Of many values the first is shown.
        return found.length === 0 ? null : cell(found[0], type, nowMs);
      },
    };
  });
  return [nameColumn, ...own];
}
