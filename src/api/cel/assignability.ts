/** Which types fit which, and what type parameters stand for (google/cel-go/checker/types.go). */
import { type CelType, dynType, isDynOrError, sameType } from './types.ts';

/** What type parameters are known to be, by name. */
export type Substitutions = Map<string, CelType>;

const bound = (types: Substitutions, type: CelType) => (type.kind === 'param' ? types.get(type.name) : undefined);

/** A type with what its parameters are known to be; those that are not known are `dyn`, if asked. */
export function substitute(types: Substitutions, type: CelType, unknownIsDyn: boolean): CelType {
  const known = bound(types, type);
  if (known) return substitute(types, known, unknownIsDyn);
  if (type.kind === 'param') return unknownIsDyn ? dynType : type;
  if (type.params.length === 0) return type;
  return { ...type, params: type.params.map((param) => substitute(types, param, unknownIsDyn)) };
}

function isLessSpecific(a: CelType, b: CelType): boolean {
  if (a.kind === 'dyn' || a.kind === 'param') return true;
  if (b.kind === 'dyn' || b.kind === 'param' || a.kind !== b.kind) return false;
  if (a.kind === 'type') return true;
  if (a.kind !== 'list' && a.kind !== 'map' && a.kind !== 'opaque') return sameType(a, b);
  return (
    a.name === b.name &&
    a.params.length === b.params.length &&
    a.params.every((param, i) => {
      const other = b.params[i];
      return other !== undefined && isLessSpecific(param, other);
    })
  );
}

/** Of two types that fit, the one that says less. */
export const mostGeneral = (a: CelType, b: CelType): CelType => (isLessSpecific(a, b) ? a : b);

/** Whether a parameter is part of what it would stand for. */
function occursIn(types: Substitutions, param: CelType, type: CelType): boolean {
  if (sameType(param, type)) return true;
  const known = bound(types, type);
  return known ? occursIn(types, param, known) : type.params.some((inner) => occursIn(types, param, inner));
}

/** Whether a parameter may stand for a type; undefined if it stands for none yet and can't for this one. */
function standsFor(types: Substitutions, param: CelType, type: CelType): boolean | undefined {
  if (sameType(param, type)) return true;
  const known = bound(types, param);
  if (known) {
    if (sameType(known, type)) return true;
    if (!fits(types, type, known)) return false;
    const general = mostGeneral(type, known);
    if (!occursIn(types, param, general)) types.set(param.name, general);
    return true;
  }
  if (occursIn(types, param, type)) return undefined;
  types.set(param.name, type);
  return true;
}

const takesNull = ({ kind }: CelType) => ['null', 'opaque', 'struct', 'duration', 'timestamp'].includes(kind);

function fits(types: Substitutions, from: CelType, to: CelType): boolean {
  if (to.kind === 'param') {
    const stands = standsFor(types, to, from);
    if (stands !== undefined) return stands;
  }
  if (from.kind === 'param') return standsFor(types, from, to) === true;
  if (isDynOrError(from) || isDynOrError(to)) return true;
  if (from.kind === 'null') return takesNull(to);
  if (to.kind === 'null') return takesNull(from);
  if (from.kind !== to.kind) return false;
  if (from.kind === 'type') return true;
  return from.name === to.name && allFit(types, from.params, to.params);
}

function allFit(types: Substitutions, from: readonly CelType[], to: readonly CelType[]): boolean {
  return (
    from.length === to.length &&
    from.every((type, i) => {
      const other = to[i];
      return other !== undefined && fits(types, type, other);
    })
  );
}

/** Whether values of these types may be used as those; what parameters then stand for is added to `types`. */
export function assign(types: Substitutions, from: readonly CelType[], to: readonly CelType[]): boolean {
  const attempt = new Map(types);
  if (!allFit(attempt, from, to)) return false;
  for (const [name, type] of attempt) types.set(name, type);
  return true;
}
