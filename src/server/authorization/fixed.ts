import type { Authorizer, NonResourceRule, ResourceRule } from '../request.ts';

const everything = {
  resourceRules: [{ verbs: ['*'], apiGroups: ['*'], resources: ['*'], resourceNames: [] }],
  nonResourceRules: [{ verbs: ['*'], nonResourceURLs: ['*'] }],
  incomplete: false,
};

export const alwaysAllow: Authorizer = {
  authorize: () => ({ decision: 'allow', reason: '' }),
  rulesFor: () => Promise.resolve(everything),
};

export const alwaysDeny: Authorizer = {
  authorize: () => ({ decision: 'noOpinion', reason: 'Everything is forbidden.' }),
  rulesFor: () => Promise.resolve({ resourceRules: [], nonResourceRules: [], incomplete: false }),
};

/** Whoever is in system:masters may do everything, whatever the configured authorizers say: the way back in. */
export const systemMasters: Authorizer = {
  authorize: ({ user }) =>
    user.groups.includes('system:masters') ? { decision: 'allow', reason: '' } : { decision: 'noOpinion', reason: '' },
  rulesFor: (user) =>
    Promise.resolve(user.groups.includes('system:masters') ? everything : { resourceRules: [], nonResourceRules: [], incomplete: false }),
};

/** Asks in order; the first with an opinion decides. */
export function unionAuthorizers(authorizers: readonly Authorizer[]): Authorizer {
  return {
    async authorize(attributes) {
      const reasons: string[] = [];
      for (const authorizer of authorizers) {
        const answer = authorizer.authorize(attributes);
        const decision = answer instanceof Promise ? await answer : answer;
        if (decision.reason !== '') reasons.push(decision.reason);
        if (decision.decision !== 'noOpinion') return decision;
      }
      return { decision: 'noOpinion', reason: reasons.join('\n') };
    },
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
