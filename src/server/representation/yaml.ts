/** Answers as YAML. */
import { type ScalarTag, stringify } from 'yaml';
import { isJsonObject, type JsonObject, nestingOf, yamlOutput } from '../../api/index.ts';

/** Below so many levels indentation would be most of the text, and grow with the square of the nesting. */
const indentedLevels = 100;

/** What is nested too deep to be indented, as JSON, which is YAML's flow style. */
class Flow {
  readonly json: string;

  constructor(value: unknown) {
    this.json = JSON.stringify(value);
  }
}

const flowTag: ScalarTag = {
  tag: '!flow',
  default: true,
  identify: (value) => value instanceof Flow,
  resolve: (text) => text,
  // The tag identifies these values only.
  stringify: ({ value }) => (value as Flow).json,
};

function withFlow(value: unknown, levels: number): unknown {
  if (typeof value !== 'object' || value === null) return value;
  if (levels === 0) return new Flow(value);
  if (Array.isArray(value)) return value.map((item) => withFlow(item, levels - 1));
  if (!isJsonObject(value)) return value;
  const out: JsonObject = Object.create(null);
  for (const key of Object.keys(value)) out[key] = withFlow(value[key], levels - 1);
  return out;
}

export function toYaml(value: object): string {
  if (nestingOf(value) <= indentedLevels) return stringify(value, yamlOutput);
  return stringify(withFlow(value, indentedLevels), { ...yamlOutput, customTags: (tags) => [flowTag, ...yamlOutput.customTags(tags)] });
}
