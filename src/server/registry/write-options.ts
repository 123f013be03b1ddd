/** The options of a write, from the query string (and, for deletes, the body), checked as upstream checks them. */
import { type DeleteOptions, errors, FieldErrors, FieldPath } from '../../api/index.ts';
import type { RequestContext } from '../exchange.ts';
import { queryBoolean } from '../request-info.ts';

export type FieldValidation = 'Strict' | 'Warn' | 'Ignore';

export interface WriteOptions {
  dryRun: boolean;
  fieldManager: string;
  fieldValidation: FieldValidation;
  /** What the client itself has said, as admission is shown it. */
  asked: { dryRun?: string[]; fieldManager?: string; fieldValidation?: string };
}

const optionsKind = (kind: string) => ({ group: 'meta.k8s.io', kind });

function checkDryRun(values: readonly string[], problems: FieldErrors): boolean {
  const unknown = values.filter((v) => v !== 'All');
  if (unknown.length > 0 || values.length > 1)
    problems.notSupported(new FieldPath('dryRun'), unknown.length === 1 ? unknown[0] : values, ['All']);
  return values.length > 0;
}

/** What stands in managedFields where the client names no manager: its user agent up to the first slash. */
function defaultManager(context: RequestContext): string {
  const { userAgent } = context;
  const end = userAgent.indexOf('/');
  const prefix = end < 0 ? userAgent : userAgent.slice(0, end);
  return prefix === '' ? 'unknown' : prefix.slice(0, 128);
}

export function writeOptions(context: RequestContext, kind: 'CreateOptions' | 'UpdateOptions' | 'PatchOptions'): WriteOptions {
  const { query } = context;
  // Most clients leave them all to us.
  if (query.size === 0) return { dryRun: false, fieldManager: defaultManager(context), fieldValidation: 'Warn', asked: {} };
  const problems = new FieldErrors();
  const dryRun = checkDryRun(query.getAll('dryRun'), problems);
  const manager = query.get('fieldManager') ?? '';
  if (manager.length > 128) problems.tooLong(new FieldPath('fieldManager'), 128);
  const bad = [...manager].findIndex((c) => c < ' ' || c === '\u007f');
  if (bad >= 0) problems.invalid(new FieldPath('fieldManager'), manager, 'should not contain non-printable characters');
  const validation = query.get('fieldValidation') ?? '';
  if (!['', 'Strict', 'Warn', 'Ignore'].includes(validation))
    problems.notSupported(new FieldPath('fieldValidation'), validation, ['Ignore', 'Strict', 'Warn']);
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

/** Delete options come in the body or, where there is none, in the query. */
export function deleteOptionsOf(context: RequestContext, body: Record<string, unknown> | undefined): DeleteOptions {
  const { query } = context;
  let options: DeleteOptions;
  if (body !== undefined) {
    if (body.kind !== undefined && body.kind !== 'DeleteOptions')
      throw errors.badRequest(`decoded object cannot be converted to DeleteOptions`);
    options = { ...(body as DeleteOptions) }; // its fields are checked below, as far as they are used
  } else {
    options = {};
    const grace = query.get('gracePeriodSeconds');
    if (grace !== null) {
      if (!/^-?\d+$/.test(grace)) throw errors.badRequest(`strconv.ParseInt: parsing ${JSON.stringify(grace)}: invalid syntax`);
      options.gracePeriodSeconds = Number(grace);
    }
    const propagation = query.get('propagationPolicy');
    if (propagation !== null) options.propagationPolicy = propagation;
    if (query.has('orphanDependents')) options.orphanDependents = queryBoolean(query, 'orphanDependents');
    if (query.has('dryRun')) options.dryRun = query.getAll('dryRun');
  }
  const problems = new FieldErrors();
  const dryRun = options.dryRun ?? [];
  checkDryRun(dryRun, problems);
  if (options.propagationPolicy !== undefined && options.orphanDependents !== undefined)
    problems.invalid(
      new FieldPath('propagationPolicy'),
      options.propagationPolicy,
      'orphanDependents and deletionPropagation cannot be both set',
    );
  if (options.propagationPolicy !== undefined && !['Foreground', 'Background', 'Orphan'].includes(options.propagationPolicy))
    problems.notSupported(new FieldPath('propagationPolicy'), options.propagationPolicy, ['Foreground', 'Background', 'Orphan', 'nil']);
  if (!problems.ok) throw errors.invalid(optionsKind('DeleteOptions'), '', problems.list);
  // A negative grace period means one second (upstream's rule for pods, harmless elsewhere).
  if ((options.gracePeriodSeconds ?? 0) < 0) options.gracePeriodSeconds = 1;
  return options;
}
