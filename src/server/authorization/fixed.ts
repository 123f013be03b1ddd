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

/** Asks from one on; at once, as far as they answer at once. */
function decide(authorizers: readonly Authorizer[], attributes: Attributes, from: number, reasons: string[]): Decision | Promise<Decision> {
  for (let i = from; i < authorizers.length; i++) {
    const answer = authorizers[i]?.authorize(attributes);
    if (answer instanceof Promise)
      return answer.then((decision) => {
        if (decision.reason !== '') reasons.push(decision.reason);
        return decision.decision === 'noOpinion' ? decide(authorizers, attributes, i + 1, reasons) : decision;
      });
    if (answer === undefined) continue;
    if (answer.reason !== '') reasons.push(answer.reason);
    if (answer.decision !== 'noOpinion') return answer;
  }
  return { decision: 'noOpinion', reason: reasons.join('\n') };
}

/** Asks in order; the first with an opinion decides. */
export function unionAuthorizers(authorizers: readonly Authorizer[]): Authorizer {
  return {
    authorize: (attributes) => decide(authorizers, attributes, 0, []),
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
      const evaluationError = failures.length > 1 ? `[${failures.join(', ')}]` : failures[0];
      return { resourceRules, nonResourceRules, incomplete, ...(evaluationError === undefined ? {} : { evaluationError }) };
    },
  };
}
