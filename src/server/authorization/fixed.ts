import { aggregateError, aggregateMessage } from '../../api/index.ts';
import type { Attributes, Authorizer, Decision, NonResourceRule, ResourceRule } from '../request.ts';

const everything = {
  resourceRules: [{ verbs: ['*'], apiGroups: ['*'], resources: ['*'], resourceNames: [] }],
  nonResourceRules: [{ verbs: ['*'], nonResourceURLs: ['*'] }],
  incomplete: false,
};

const nothing = { resourceRules: [], nonResourceRules: [], incomplete: false };

const allowed: Decision = { decision: 'allow', reason: '' };
const noOpinion: Decision = { decision: 'noOpinion', reason: '' };

export const alwaysAllow: Authorizer = {
  authorize: () => allowed,
  rulesFor: () => Promise.resolve(everything),
};

export const alwaysDeny: Authorizer = {
  authorize: () => ({ decision: 'noOpinion', reason: 'Everything is forbidden.' }),
  rulesFor: () => Promise.resolve(nothing),
};

/**
 * Whoever is in system:masters may do everything, whatever the configured authorizers say: the way back in. It has no rules to tell,
 * as upstream's has not.
 */
export const systemMasters: Authorizer = {
  authorize: ({ user }) => (user.groups.includes('system:masters') ? allowed : noOpinion),
  rulesFor: () => Promise.resolve(nothing),
};

/** What those without an opinion have said. */
interface Undecided {
  readonly reasons: string[];
  readonly errors: Error[];
}

function note({ reason, error }: Decision, { reasons, errors }: Undecided): void {
  if (reason !== '') reasons.push(reason);
  if (error !== undefined) errors.push(error);
}

function undecided({ reasons, errors }: Undecided): Decision {
  const reason = reasons.join('\n');
  const error = aggregateError(errors);
  return { decision: 'noOpinion', reason, ...(error && { error }) };
}

/** Asks from one on; at once, as far as they answer at once. */
function decide(authorizers: readonly Authorizer[], attributes: Attributes, from: number, so: Undecided): Decision | Promise<Decision> {
  for (let i = from; i < authorizers.length; i++) {
    const answer = authorizers[i]?.authorize(attributes);
    if (answer instanceof Promise)
      return answer.then((decision) => {
        note(decision, so);
        return decision.decision === 'noOpinion' ? decide(authorizers, attributes, i + 1, so) : decision;
      });
    if (answer === undefined) continue;
    note(answer, so);
    if (answer.decision !== 'noOpinion') return answer;
  }
  return undecided(so);
}

/** Asks in order; the first with an opinion decides. */
export function unionAuthorizers(authorizers: readonly Authorizer[]): Authorizer {
  return {
    authorize: (attributes) => decide(authorizers, attributes, 0, { reasons: [], errors: [] }),
    async rulesFor(user, namespace) {
      const resourceRules: ResourceRule[] = [];
      const nonResourceRules: NonResourceRule[] = [];
      let incomplete = false;
      const failures: string[] = [];
      for (const authorizer of authorizers) {
        const rules = await authorizer.rulesFor?.(user, namespace);
        if (rules === undefined) {
          incomplete = true;
          continue;
        }
        resourceRules.push(...rules.resourceRules);
        nonResourceRules.push(...rules.nonResourceRules);
        incomplete ||= rules.incomplete;
        if (rules.evaluationError) failures.push(rules.evaluationError);
      }
      const evaluationError = aggregateMessage(failures);
      return { resourceRules, nonResourceRules, incomplete, ...(evaluationError ? { evaluationError } : {}) };
    },
  };
}
