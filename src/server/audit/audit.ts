/** The audit log: what the policy asks for of each request, sent to the log file and the webhook. */
import { readFile } from 'node:fs/promises';
import type { Logger } from 'pino';
import type { Registry } from 'prom-client';
import type { Clock, Random } from '../../time/index.ts';
import type { Answer, RequestContext } from '../exchange.ts';
import { attributesOf } from '../pipeline/authorize.ts';
import type { UserInfo } from '../request.ts';
import { type AuditBackend, ignoreErrors, unionBackend } from './backend.ts';
import { buffered } from './buffered.ts';
import { logBackend, standardOutput } from './log-backend.ts';
import { type AuditMetrics, createAuditMetrics } from './metrics.ts';
import type { AuditOptions, SinkOptions } from './options.ts';
import { evaluatePolicy, type Policy, parsePolicy } from './policy.ts';
import { openRotatingFile } from './rotating-file.ts';
import { type AuditTrail, createTrail } from './trail.ts';
import { truncating } from './truncate.ts';
import { webhookBackend } from './webhook-backend.ts';

/** What authenticators have said of a request, by key. */
type Annotations = ReadonlyMap<string, string>;

/** Who asks while nobody knows: in no group, not even among the anonymous. */
const nobody: UserInfo = { name: '', groups: [] };

export interface Auditor {
  /** Called once the user is known; undefined where nothing of the request is recorded. */
  begin(context: RequestContext, longRunning: boolean, annotations: Annotations): AuditTrail | undefined;
  /** A request that was refused before anybody knew who asks. */
  refused(context: RequestContext, answer: Answer, annotations: Annotations): void | Promise<void>;
  /** A request was refused since its event could not be stored. */
  rejected(): void;
  /** Sends what is buffered. */
  close(): Promise<void>;
}

export interface AuditContext {
  clock: Clock;
  random: Random;
  logger: Logger;
  registry: Registry;
}

export function createAuditor(policy: Policy, backend: AuditBackend, metrics: AuditMetrics, clock: Clock): Auditor {
  const evaluate = evaluatePolicy(policy);
  const trailOf = (context: RequestContext, longRunning: boolean, annotations: Annotations, user = context.user) => {
    const wanted = evaluate({ ...attributesOf(context), user });
    metrics.level(wanted.level);
    if (wanted.level === 'None') return undefined;
    const trail = createTrail({ context, user, longRunning, wanted, clock, backend, metrics });
    for (const [key, value] of annotations) trail.annotate(key, value);
    return trail;
  };
  return {
    begin: trailOf,
    refused: (context, answer, annotations) => trailOf(context, false, annotations, nobody)?.refused(answer),
    rejected: () => metrics.rejected(),
    close: () => backend.close(),
  };
}

/** Opens what the flags ask for; undefined where nothing is recorded. Throws where policy or backends can't be used. */
export async function openAudit(options: AuditOptions | undefined, context: AuditContext): Promise<Auditor | undefined> {
  const { clock, random, logger, registry } = context;
  const { policyFile, log, webhook } = options ?? {};
  // Also where nothing is recorded: then they say so.
  const metrics = createAuditMetrics(registry);
  if (policyFile === undefined) {
    if (log) logger.info('No audit policy file provided, no events will be recorded for log backend');
    if (webhook) logger.info('No audit policy file provided, no events will be recorded for webhook backend');
    return undefined;
  }
  const policy = await loadPolicy(policyFile, logger);
  const tools = { clock, random, logger, metrics };
  const wrapped = (backend: AuditBackend, { mode, batch, truncate }: SinkOptions) => {
    const delivered = mode === 'batch' ? buffered(backend, batch, tools) : mode === 'blocking' ? ignoreErrors(backend) : backend;
    return truncate ? truncating(delivered, truncate, metrics, logger) : delivered;
  };
  const backends: AuditBackend[] = [];
  if (log) {
    const onError = (error: unknown) => logger.error({ err: error, path: log.path }, 'could not tidy up old audit logs');
    const file = log.path === '-' ? standardOutput : openRotatingFile(log.path, log.rotation, clock, onError);
    backends.push(wrapped(logBackend(file, log.format, tools), log));
  }
  if (webhook) {
    try {
      backends.push(wrapped(await webhookBackend(webhook, tools), webhook));
    } catch (error) {
      throw new Error(`initializing audit webhook: ${error instanceof Error ? error.message : String(error)}`);
    }
  }
  return createAuditor(policy, unionBackend(backends), metrics, clock);
}

async function loadPolicy(path: string, logger: Logger): Promise<Policy> {
  const failed = (why: string) => new Error(`loading audit policy file: ${why}`);
  let text: string;
  try {
    text = await readFile(path, 'utf8');
  } catch (error) {
    const reason = (error as NodeJS.ErrnoException).code === 'ENOENT' ? `open ${path}: no such file or directory` : String(error);
    throw failed(`failed to read file path ${JSON.stringify(path)}: ${reason}`);
  }
  try {
    return parsePolicy(text, (problem) => logger.warn(`Audit policy contains errors, falling back to lenient decoding: ${problem}`));
  } catch (error) {
    throw failed(`${error instanceof Error ? error.message : String(error)}: from file ${path}`);
  }
}
