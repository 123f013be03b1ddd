/**
 * --feature-gates as upstream's components read it. Of gates that are off the API server drops the fields (api/gated-fields.ts);
 * `CBORServingAndStorage`, `ComponentStatusz` and `ComponentFlagz` turn on and off what they are named after. Of the others what is on
 * by default is always there.
 */
import { aggregateMessage, parseGoBool } from '../api/index.ts';
import { ClusterError } from './cluster-error.ts';
import { gateDependencies, gateSpecs, type Stage } from './feature-gate-table.ts';

/** Sets of gates: what is said of them holds for all of a stage of which nothing else is said. */
const sets: Readonly<Record<string, Stage>> = { AllAlpha: 'ALPHA', AllBeta: 'BETA' };

export interface FeatureGates {
  isEnabled(name: string): boolean;
  /** All of them; the stage is empty for what is generally available. */
  all(): Iterable<{ name: string; stage: Stage; enabled: boolean }>;
}

/**
 * Reads `Name=true,Other=false`.
 * @throws ClusterError in upstream's words for a gate that there is not, is locked, has no boolean value, or needs one that is off
 */
export function parseFeatureGates(text = ''): FeatureGates {
  const given = new Map<string, boolean>();
  const invalid = (...why: string[]) =>
    new ClusterError(`invalid argument ${JSON.stringify(text)} for "--feature-gates" flag: ${aggregateMessage(why)}`);
  for (const part of text.split(',').filter((part) => part.trim() !== '')) {
    const at = part.indexOf('=');
    const name = part.slice(0, at < 0 ? undefined : at).trim();
    if (at < 0) throw invalid(`missing bool value for ${name}`);
    const value = part.slice(at + 1).trim();
    const enabled = parseGoBool(value);
    if (enabled === undefined)
      throw invalid(`invalid value of ${name}=${value}, err: strconv.ParseBool: parsing ${JSON.stringify(value)}: invalid syntax`);
    const spec = gateSpecs.get(name);
    if (spec === undefined && !Object.hasOwn(sets, name)) throw invalid(`unrecognized feature gate: ${name}`);
    if (spec?.locked && enabled !== spec.enabled)
      throw invalid(`cannot set feature gate ${name} to ${enabled}, feature is locked to ${spec.enabled}`);
    given.set(name, enabled);
  }
  const ofStage = new Map(Object.entries(sets).map(([set, stage]) => [stage, given.get(set)]));
  const isEnabled = (name: string): boolean => {
    const spec = gateSpecs.get(name);
    return given.get(name) ?? (spec && !spec.locked ? ofStage.get(spec.stage) : undefined) ?? spec?.enabled ?? false;
  };
  const unmet = Object.entries(gateDependencies).flatMap(([name, needed]) => {
    const disabled = isEnabled(name) ? needed.filter((other) => !isEnabled(other)) : [];
    return disabled.length > 0 ? [`${name} is enabled, but depends on features that are disabled: [${disabled.join(' ')}]`] : [];
  });
  if (unmet.length > 0) throw invalid(...unmet);
  return {
    isEnabled,
    *all() {
      for (const [name, { stage }] of gateSpecs) yield { name, stage, enabled: isEnabled(name) };
      for (const [name, stage] of Object.entries(sets)) yield { name, stage, enabled: given.get(name) ?? false };
    },
  };
}
