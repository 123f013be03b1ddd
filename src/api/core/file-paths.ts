import type { FieldErrors, FieldPath } from '../fields.ts';

/** A path none of whose elements is `..`. */
export function requireNoBacksteps(errors: FieldErrors, path: FieldPath, target: string): void {
  if (target.split('/').includes('..')) errors.invalid(path, target, "must not contain '..'");
}

/** A path that stays below where it starts. */
export function requireDescendingPath(errors: FieldErrors, path: FieldPath, target: string): void {
  if (target.startsWith('/')) errors.invalid(path, target, 'must be a relative path');
  requireNoBacksteps(errors, path, target);
}

/** As `requireDescendingPath`, and not one of the names that atomic writers of volumes keep for themselves (`..data`). */
export function requireLocalPath(errors: FieldErrors, path: FieldPath, target: string): void {
  requireDescendingPath(errors, path, target);
  if (target.startsWith('..') && target !== '..' && !target.startsWith('../')) errors.invalid(path, target, "must not start with '..'");
}

/** The bits of a file's mode. */
export function requireFileMode(errors: FieldErrors, path: FieldPath, mode: number | undefined): void {
  if (mode !== undefined && (mode < 0 || mode > 0o777))
    errors.invalid(path, mode, 'must be a number between 0 and 0777 (octal), both inclusive');
}
