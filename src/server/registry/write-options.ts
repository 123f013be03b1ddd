/** The options of a write, from the query string (and, for deletes, the body), checked as upstream checks them. */
import { type DeleteOptions, errors, FieldErrors, FieldPath, validateFieldManager } from '../../api/index.ts';
import type { RequestContext } from '../exchange.ts';
import { queryBoolean, queryInteger } from '../request-info.ts';
import type { Registry } from './registry.ts';

export type FieldValidation = 'Strict' | 'Warn' | 'Ignore';

export interface WriteOptions {
  dryRun: boolean;
  fieldManager: string;
  fieldValidation: FieldValidation;
  /** What the client itself has said, as admission is shown it. */
  asked: { dryRun?: string[]; fieldManager?: string; fieldValidation?: string };
}

const fieldValidations = ['', 'Ignore', 'Strict', 'Warn'];

const optionsKind = (kind: string) => ({ group: 'meta.k8s.io', kind });

function checkDryRun(values: readonly string[], problems: FieldErrors): boolean {
  if (values.some((v) => v !== 'All')) problems.notSupported(new FieldPath('dryRun'), values, ['All']);
  return values.length > 0;
}

/** What stands in managedFields where the client names no manager: its user agent up to the first slash. */
function defaultManager(context: RequestContext): string {
  const { userAgent } = context;
  const end = userAgent.indexOf('/');
  const prefix = end < 0 ? userAgent : userAgent.slice(0, end);
  return prefix === '' ? 'unknown' : prefix.slice(0, 128);
}

/** `checkFirst`: what else there is to check, told before the rest. */
export function writeOptions(
  context: RequestContext,
  kind: 'CreateOptions' | 'UpdateOptions' | 'PatchOptions',
  checkFirst?: (problems: FieldErrors) => void,
): WriteOptions {
  const { query } = context;
  // Most clients leave them all to us.
  if (query.size === 0) return { dryRun: false, fieldManager: defaultManager(context), fieldValidation: 'Warn', asked: {} };
  const problems = new FieldErrors();
  checkFirst?.(problems);
  const manager = query.get('fieldManager') ?? '';
  validateFieldManager(manager, new FieldPath('fieldManager'), problems);
  const dryRun = checkDryRun(query.getAll('dryRun'), problems);
  const validation = query.get('fieldValidation') ?? '';
  if (!fieldValidations.includes(validation)) problems.notSupported(new FieldPath('fieldValidation'), validation, fieldValidations);
  if (!problems.ok) throw errors.invalid(optionsKind(kind), '', problems.list);
  return {
    dryRun,
    fieldManager: manager === '' ? defaultManager(context) : manager,
    // Checked just above.
    fieldValidation: (validation === '' ? 'Warn' : validation) as FieldValidation,
    asked: {
      ...(dryRun ? { dryRun: query.getAll('dryRun') } : {}),
      ...(manager === '' ? {} : { fieldManager: manager }),
      ...(validation === '' ? {} : { fieldValidation: validation }),
    },
  };
}

const unsafe = 'ignoreStoreReadErrorWithClusterBreakingPotential';

/** Delete options come in the body or, where there is none, in the query. */
export function deleteOptionsOf(
  { isEnabled }: Pick<Registry, 'isEnabled'>,
  context: RequestContext,
  body: Record<string, unknown> | undefined,
): DeleteOptions {
  const { query } = context;
  let options: DeleteOptions;
  if (body !== undefined) {
    options = { ...(body as DeleteOptions) }; // its fields are checked below, as far as they are used
  } else {
    options = {};
    const grace = queryInteger(query, 'gracePeriodSeconds');
    if (grace !== undefined) options.gracePeriodSeconds = grace;
    const propagation = query.get('propagationPolicy');
    if (propagation !== null) options.propagationPolicy = propagation;
    if (query.has('orphanDependents')) options.orphanDependents = queryBoolean(query, 'orphanDependents');
    if (query.has('dryRun')) options.dryRun = query.getAll('dryRun');
    if (query.has(unsafe)) options[unsafe] = queryBoolean(query, unsafe);
  }
  if (!isEnabled?.('AllowUnsafeMalformedObjectDeletion')) delete options[unsafe];
  const problems = new FieldErrors();
  if (options.propagationPolicy !== undefined && options.orphanDependents !== undefined)
    problems.invalid(
      new FieldPath('propagationPolicy'),
      options.propagationPolicy,
      'orphanDependents and deletionPropagation cannot be both set',
    );
  if (options.propagationPolicy !== undefined && !['Foreground', 'Background', 'Orphan'].includes(options.propagationPolicy))
    problems.notSupported(new FieldPath('propagationPolicy'), options.propagationPolicy, ['Foreground', 'Background', 'Orphan', 'nil']);
  checkDryRun(options.dryRun ?? [], problems);
  if (options[unsafe]) {
    const others = ['dryRun', 'propagationPolicy', 'orphanDependents', 'gracePeriodSeconds', 'preconditions'] as const;
    for (const other of others)
      if (other === 'dryRun' ? options.dryRun?.length : options[other] !== undefined)
        problems.invalid(new FieldPath(unsafe), true, `cannot be set together with .${other}`);
    if (context.info.verb === 'deletecollection' && problems.ok)
      problems.invalid(new FieldPath(unsafe), true, 'is not allowed with DELETECOLLECTION, try again after removing the option');
  }
  if (!problems.ok) throw errors.invalid(optionsKind('DeleteOptions'), '', problems.list);
  // A negative grace period means one second (upstream's rule for pods, harmless elsewhere).
  if ((options.gracePeriodSeconds ?? 0) < 0) options.gracePeriodSeconds = 1;
  return options;
}
