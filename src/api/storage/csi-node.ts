import { reject } from '../core/checks.ts';
import { validateCsiDriverName } from '../core/volume-sources.ts';
import { semanticEqual } from '../equality.ts';
import { type FieldErrors, FieldPath } from '../fields.ts';
import { CSINode, type CSINodeDriver } from '../generated/storage.v1.ts';
import * as v1beta1 from '../generated/storage.v1beta1.ts';
import { defineKind } from '../kind.ts';
import { isQualifiedName } from '../names.ts';
import { ageColumn, nameColumn } from '../printing.ts';
import { sameShape } from '../served-version.ts';

const driversPath = new FieldPath('spec').child('drivers');
const maxNodeIdBytes = 256;

function validateDriver(driver: CSINodeDriver, isKnown: boolean, path: FieldPath, errors: FieldErrors): void {
  const { name = '', nodeID = '', allocatable, topologyKeys = [] } = driver;
  validateCsiDriverName(name, path.child('name'), errors);
  if (nodeID === '') errors.required(path.child('nodeID'), nodeID);
  if (nodeID.length > maxNodeIdBytes) errors.invalid(path.child('nodeID'), nodeID, `must be ${maxNodeIdBytes} characters or less`);
  if ((allocatable?.count ?? 0) < 0)
    errors.invalid(path.child('allocatable', 'count'), allocatable?.count, 'must be greater than or equal to 0');
  if (isKnown) errors.duplicate(path.child('name'), name);
  for (const [i, key] of topologyKeys.entries()) {
    if (key === '') errors.required(path, key);
    if (topologyKeys.indexOf(key) < i) errors.duplicate(path, key);
    reject(errors, path, key, isQualifiedName(key));
  }
}

export const csiNode = defineKind<CSINode>({
  resource: CSINode,
  answersDeleted: true,
  versions: [sameShape(v1beta1.CSINode, CSINode)],
  allowUnconditionalUpdate: false,
  defaults(node) {
    node.spec ??= { drivers: [] };
    node.spec.drivers ??= [];
  },
  validate({ spec }, errors) {
    const names = new Set<string>();
    for (const [i, driver] of spec.drivers.entries()) {
      validateDriver(driver, names.has(driver.name), driversPath.index(i), errors);
      names.add(driver.name);
    }
  },
  // A driver may come and go; one that stays keeps all but what it can allocate.
  validateUpdate(next, prev, errors) {
    for (const before of prev.spec.drivers) {
      const after = next.spec.drivers.find((d) => d.name === before.name);
      if (after && !semanticEqual({ ...after, allocatable: null }, { ...before, allocatable: null }))
        errors.invalid(
          driversPath,
          // Upstream shows its internal type.
          {
            Name: after.name,
            NodeID: after.nodeID,
            TopologyKeys: after.topologyKeys?.length ? after.topologyKeys : null,
            Allocatable: null,
          },
          'field is immutable',
        );
    }
  },
  columns: [
    nameColumn,
    {
      name: 'Drivers',
      type: 'integer',
      description: 'Drivers indicates the number of CSI drivers registered on the node',
      value: ({ spec }) => spec.drivers.length,
    },
    ageColumn,
  ],
});
