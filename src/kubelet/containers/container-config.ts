/** A container in CRI's terms. */
import { goDurationMs, type Pod } from '../../api/index.ts';
import type { cri } from '../../runtime/index.ts';
import type { KubeletContext } from '../context.ts';
import type { AnyContainer } from '../pod/containers.ts';
import { isCriticalPod } from '../pod/identity.ts';
import { containerLogPath } from '../pod/paths.ts';
import { qosClass } from '../pod/qos-class.ts';
import { expand } from './expansion.ts';
import { containerAnnotations, containerLabels } from './labels.ts';
import { linuxResources, memoryBytes, oomScoreAdjust } from './linux-resources.ts';
import { containerSecurityContext } from './security-context.ts';

export interface ContainerConfigInput {
  pod: Pod;
  container: AnyContainer;
  restartCount: number;
  image: cri.Image;
  env: ReadonlyMap<string, string>;
  mounts: cri.Mount[];
  context: Pick<KubeletContext, 'config' | 'machine' | 'paths'>;
  /** Id of the container that an ephemeral one debugs. */
  targetContainerId?: string;
}

export function containerConfig({
  pod,
  container,
  restartCount,
  image,
  env,
  mounts,
  context,
  targetContainerId,
}: ContainerConfigInput): cri.ContainerConfig {
  const { config, machine, paths } = context;
  const words = (list: readonly string[] | undefined) => (list ?? []).map((word) => expand(word, (name) => env.get(name)));
  const resources = linuxResources(container.resources, {
    cfsQuota: config.cpuCFSQuota,
    cfsPeriodMicros: goDurationMs(config.cpuCFSQuotaPeriod) * 1000,
    oomScoreAdj: oomScoreAdjust(
      qosClass(pod),
      isCriticalPod(pod),
      memoryBytes(container.resources?.requests) || memoryBytes(container.resources?.limits),
      machine.memoryBytes,
    ),
  });
  const encoder = new TextEncoder();
  const { stopSignal } = container.lifecycle ?? {};
  return {
    metadata: { name: container.name, attempt: restartCount },
    image: { image: image.id ?? '', userSpecifiedImage: container.image ?? '', annotations: {} },
    command: words(container.command),
    args: words(container.args),
    workingDir: container.workingDir ?? '',
    envs: [...env].map(([key, value]) => ({ key, value: encoder.encode(value) })),
    mounts,
    devices: [],
    labels: containerLabels(pod, container),
    annotations: containerAnnotations(pod, container, restartCount),
    logPath: containerLogPath(container.name, restartCount),
    stdin: container.stdin ?? false,
    stdinOnce: container.stdinOnce ?? false,
    tty: container.tty ?? false,
    linux: {
      resources,
      securityContext: containerSecurityContext(pod, container, {
        seccompDefault: config.seccompDefault,
        seccompRoot: `${paths.root}/seccomp`,
        image: {
          ...(image.uid?.value === undefined ? {} : { uid: Number(image.uid.value) }),
          ...(image.username ? { username: image.username } : {}),
        },
        ...(targetContainerId ? { targetContainerId } : {}),
      }),
    },
    // The names are CRI's own: both enumerations follow the kernel's.
    ...(stopSignal ? { stopSignal: stopSignal as cri.Signal } : {}),
  };
}
