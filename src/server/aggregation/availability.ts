/** Whether an API server behind an APIService can be asked (kube-aggregator's availability controller). */
import { type APIService, type apiregistrationV1, type EndpointSlice, localAvailability, type Service } from '../../api/index.ts';
import { hrefOf, messageOf, readAll } from './answers.ts';
import { portOf, type RemoteServer, userHeaders } from './remote-server.ts';

export type Condition = Pick<apiregistrationV1.APIServiceCondition, 'status' | 'reason' | 'message'>;

export const local: Condition = localAvailability;
export const passed: Condition = { status: 'True', reason: 'Passed', message: 'all checks passed' };

/** How long the whole check may take, and one request of it. */
export const checkTimeoutMs = 5_000;

const isReady = ({ endpoints }: EndpointSlice) => (endpoints ?? []).some((e) => e.conditions?.ready !== false);

/** What is missing of the Service that is to be asked; undefined where nothing is. */
export function serviceProblem(
  apiService: APIService,
  service: Service | undefined,
  slices: readonly EndpointSlice[],
): Condition | undefined {
  const { name = '', namespace = '' } = apiService.spec.service ?? {};
  const label = `service/${name} in ${JSON.stringify(namespace)}`;
  const problem = (reason: string, message: string): Condition => ({ status: 'False', reason, message });
  if (service === undefined) return problem('ServiceNotFound', `${label} is not present`);
  if (service.spec?.type !== 'ClusterIP') return undefined;
  const port = service.spec.ports?.find((p) => p.port === portOf(apiService));
  if (port === undefined) return problem('ServicePortError', `${label} is not listening on port ${portOf(apiService)}`);
  if (slices.length === 0) return problem('EndpointsNotFound', `cannot find endpointslices for ${label}`);
  const portName = port.name ?? '';
  if (!slices.some((slice) => isReady(slice) && slice.ports?.some((p) => (p.name ?? '') === portName && p.port !== undefined)))
    return problem('MissingEndpoints', `endpointslices for ${label} have no addresses with port name ${JSON.stringify(portName)}`);
  return undefined;
}

/** The check asks for what every server of the group version must serve, with rights that nobody refuses. */
const checker = userHeaders({ name: 'system:kube-aggregator', groups: ['system:masters'] });

const attempts = 5;

/** Asks the server for its discovery document, several times at once: one answer is enough. */
export async function discoveryProblem(apiService: APIService, remote: RemoteServer, signal: AbortSignal): Promise<Condition | undefined> {
  const { group = '', version = '' } = apiService.spec;
  const over = new AbortController();
  const either = AbortSignal.any([signal, over.signal]);
  const ask = async (): Promise<void> => {
    const url = await remote.locate();
    url.pathname = group === '' ? `/api/${version}` : `/apis/${group}/${version}`;
    let statusCode = 0;
    try {
      const response = await remote.request({ url, method: 'GET', headers: checker, signal: either });
      ({ statusCode = 0 } = response);
      await readAll(response);
    } catch (error) {
      throw new Error(`failing or missing response from ${hrefOf(url)}: ${messageOf(error, url, signal)}`, { cause: error });
    }
    if (statusCode < 200 || statusCode >= 300)
      throw new Error(`failing or missing response from ${hrefOf(url)}: bad status from ${hrefOf(url)}: ${statusCode}`);
  };
  try {
    await Promise.any(Array.from({ length: attempts }, ask));
    return undefined;
  } catch (error) {
    // Promise.any fails with all errors.
    const last = (error as AggregateError).errors.at(-1);
    return { status: 'False', reason: 'FailedDiscoveryCheck', message: last instanceof Error ? last.message : String(last) };
  } finally {
    over.abort(new Error('one answer was enough'));
  }
}
