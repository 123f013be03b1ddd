/**
 * What a simulated container does with its life: runs until it is stopped, unless its command or an annotation says otherwise.
 *
 * Commands understood, alone or joined by `;` or `&&`, also inside `sh -c`: `sleep SECONDS`, `exit CODE`, `true`, `false`, `echo ...`.
 * Annotations of the pod win over commands: `hollow.k8ts.io/run-seconds`, `hollow.k8ts.io/exit-code`, each also as
 * `hollow.k8ts.io/run-seconds.CONTAINER`.
 */
export interface ExitPlan {
  /** Undefined: runs until stopped. */
  afterMs: number;
  exitCode: number;
}

const prefix = 'hollow.k8ts.io/';
const shells = new Set(['sh', 'bash', 'ash', 'dash']);

const baseName = (path: string) => path.slice(path.lastIndexOf('/') + 1);

/** Undefined: the container runs until it is stopped. */
export function exitPlan(
  container: string,
  command: readonly string[],
  annotations: Readonly<Record<string, string>>,
): ExitPlan | undefined {
  const annotated = (key: string) => annotations[`${prefix}${key}.${container}`] ?? annotations[prefix + key];
  const runSeconds = annotated('run-seconds');
  const exitCode = annotated('exit-code');
  if (runSeconds !== undefined || exitCode !== undefined) {
    return { afterMs: Number(runSeconds ?? 0) * 1000, exitCode: Number(exitCode ?? 0) };
  }
  const [program = '', ...args] = command;
  if (shells.has(baseName(program)) && args[0]?.includes('c') && args[0].startsWith('-')) return scriptPlan(args[1] ?? '');
  return scriptPlan(command.join(' '));
}

/** How a one-line script ends; undefined where it holds a step that is not understood, which is taken to run forever. */
function scriptPlan(script: string): ExitPlan | undefined {
  const steps = script
    .split(/;|&&|\n/)
    .map((s) => s.trim())
    .filter((s) => s !== '');
  if (steps.length === 0) return undefined;
  let afterMs = 0;
  let exitCode = 0;
  for (const step of steps) {
    const [program = '', argument = ''] = step.split(/\s+/);
    switch (baseName(program)) {
      case 'exec':
        return scriptPlan(step.slice(program.length));
      case 'exit':
        return { afterMs, exitCode: Number.parseInt(argument, 10) || 0 };
      case 'sleep': {
        const seconds = durationSeconds(argument);
        if (seconds === undefined) return undefined;
        afterMs += seconds * 1000;
        exitCode = 0;
        break;
      }
      case 'true':
      case 'echo':
      case 'printf':
      case 'date':
      case 'hostname':
        exitCode = 0;
        break;
      case 'false':
        exitCode = 1;
        break;
      default:
        return undefined;
    }
  }
  return { afterMs, exitCode };
}

const unitSeconds: Record<string, number> = { '': 1, s: 1, m: 60, h: 3600, d: 86_400 };

function durationSeconds(text: string): number | undefined {
  const match = /^(\d+(?:\.\d+)?)([smhd]?)$/.exec(text);
  return match ? Number(match[1]) * (unitSeconds[match[2] ?? ''] ?? 1) : undefined;
}
