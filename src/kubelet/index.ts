export { type CgroupOptions, noCgroups, type PodCgroups, podCgroups } from './cgroups/pod-cgroups.ts';
export { type EffectiveConfiguration, effectiveConfiguration } from './config.ts';
export { createKubelet } from './kubelet.ts';
export type { FoundContainer, Kubelet, KubeletOptions } from './kubelet-options.ts';
export { hollowMachine, type MachineInfo, readMachine } from './node/machine.ts';
export { createKubeletServer, type KubeletServer, type KubeletServerOptions } from './server/kubelet-server.ts';
export { createSharedKubeletServer, type SharedKubeletServerOptions } from './server/shared-server.ts';
export { kubeletVersion } from './version.ts';
export { type Mounter, systemMounter } from './volumes/mounter.ts';
