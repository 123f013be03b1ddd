/**
 * Each object as a register: absent, or a state with a revision. Requests that ask for the most recent, and writes, with what their
 * conditions say of the state they met, must fit into one order (checks/linearizability.ts). Where nobody answered, the timeline
 * says whether a write happened; nothing else of it is used.
 */
import type { History, Key, ObjectState, Operation } from '../history.ts';
import { linearize, type Model, type Step } from './linearizability.ts';
import { describeState, type Timeline, type TimelineEvent } from './timeline.ts';
import type { Violation } from './violation.ts';
import { mayHaveDeleted, type Writes } from './writes.ts';

interface Register {
  /** Of the last change, also of a deletion. */
  revision: number;
  present: ObjectState | undefined;
}

interface RegisterStep extends Step<Register> {
  operation: Operation | undefined;
}

const model: Model<Register> = {
  initial: { revision: 0, present: undefined },
  fingerprint: ({ revision, present }) => `${revision} ${present?.revision ?? '-'}`,
};

type Apply = Step<Register>['apply'];

/** The state is what was read, or the deed is impossible here. */
const reads =
  (state: ObjectState): Apply =>
  (register) =>
    register.present?.revision === state.revision && register.present.uid === state.uid && register.present.value === state.value
      ? register
      : undefined;

const holds =
  (condition: (present: ObjectState | undefined) => boolean): Apply =>
  (register) =>
    condition(register.present) ? register : undefined;

function writes({ call }: Operation, state: ObjectState): Apply {
  return ({ revision, present }) => {
    if (state.revision <= revision || !('value' in call)) return undefined;
    const fits =
      call.verb === 'create'
        ? !present
        : call.verb === 'apply'
          ? !present || present.uid === state.uid
          : present?.uid === state.uid &&
            (call.ifRevision === undefined || call.ifRevision === present.revision) &&
            (call.verb !== 'patch' || (present.color === state.color && (call.ifValue === undefined || call.ifValue === present.value)));
    return fits ? { revision: state.revision, present: state } : undefined;
  };
}

/** Of a collection, somebody else may have done it after it was listed. */
const removes =
  ({ revision, before }: TimelineEvent, call?: Operation['call']): Apply =>
  (register) => {
    const { present } = register;
    if (present?.uid !== before?.uid) return call?.verb === 'deletecollection' ? register : undefined;
    const fits = call?.verb !== 'delete' || call.ifRevision === undefined || call.ifRevision === present?.revision;
    return fits ? { revision, present: undefined } : undefined;
  };

/** What a refusal says of the object; undefined where it says nothing. */
function refused({ call, status }: Operation): Apply | undefined {
  if (status === 404) return holds((present) => !present);
  if (call.verb === 'create' && status === 409) return holds((present) => present !== undefined);
  if (call.verb === 'patch' && call.ifValue !== undefined && status === 422)
    return holds((present) => present !== undefined && present.value !== call.ifValue);
  if (status !== 409) return undefined;
  const [ifRevision, ifUid] = ['ifRevision' in call ? call.ifRevision : undefined, 'ifUid' in call ? call.ifUid : undefined];
  if (ifRevision === undefined && ifUid === undefined) return undefined;
  return holds(
    (present) =>
      present !== undefined &&
      ((ifRevision !== undefined && present.revision !== ifRevision) || (ifUid !== undefined && present.uid !== ifUid)),
  );
}

function stepOf(operation: Operation, event: TimelineEvent | undefined): Pick<RegisterStep, 'apply' | 'hint'> | undefined {
  const { call, outcome, state } = operation;
  if (call.verb === 'get') {
    if (call.version !== '') return undefined;
    if (outcome === 'done' && state) return { apply: reads(state), hint: state.revision };
    return outcome === 'refused' && operation.status === 404 ? { apply: holds((present) => !present) } : undefined;
  }
  if (outcome === 'refused') {
    const apply = refused(operation);
    return apply && { apply };
  }
  if ('value' in call) {
    const became = outcome === 'done' ? state : event?.state;
    return became && { apply: writes(operation, became), hint: became.revision };
  }
  return undefined;
}

export function checkRegisters(history: History, timeline: Timeline, attributed: Writes): Violation[] {
  const byKey = new Map<Key, RegisterStep[]>();
  const add = (key: Key, step: RegisterStep) => {
    const steps = byKey.get(key);
    if (steps) steps.push(step);
    else byKey.set(key, [step]);
  };
  for (const operation of history.operations) {
    const { call, invokedAt: calledAt, outcome } = operation;
    const answeredAt = outcome === 'unknown' ? Number.POSITIVE_INFINITY : operation.answeredAt;
    const times = { calledAt, answeredAt, operation };
    for (const deletion of attributed.deletionsOf(operation))
      add(deletion.key, { ...times, apply: removes(deletion, call), hint: deletion.revision });
    if (!('key' in call)) continue;
    const step = stepOf(operation, attributed.eventOf(operation));
    if (step) add(call.key, { ...times, ...step });
  }
  for (const orphan of attributed.orphans) {
    const suspects = history.operations.filter((operation) => mayHaveDeleted(operation, orphan));
    const calledAt = Math.min(...suspects.map((operation) => operation.invokedAt));
    const [only] = suspects;
    const operation = suspects.length === 1 ? only : undefined;
    add(orphan.key, { calledAt, answeredAt: Number.POSITIVE_INFINITY, operation, apply: removes(orphan), hint: orphan.revision });
  }
  return [...byKey].flatMap(([key, steps]) => {
    // Without all writes the order of the others can't be judged.
    const blind = timeline.gaps.length > 0;
    const verdict = blind ? { ok: true as const } : linearize(model, steps.map(withHint));
    if (verdict.ok) return [];
    const stuck = verdict.stuck.flatMap((step) => step.operation ?? []);
    const last = verdict.order.slice(-3).flatMap((step) => step.operation ?? []);
    return [
      {
        promise: 'linearizable',
        what: `the requests for ${key} fit into no order: after the first of these it was ${describeState(verdict.state.present)}, and none of the others can have come next`,
        operations: [...last, ...stuck],
      },
    ];
  });
}

/** What says nothing of a revision is tried first: it changes nothing. */
const withHint = (step: RegisterStep): RegisterStep => ({ ...step, hint: step.hint ?? 0 });
