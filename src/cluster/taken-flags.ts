/**
 * kube-apiserver's flags that ask for what this server does anyway, or has no need of: they are taken, so that a command line that was
 * written for upstream's starts this one too, and held to upstream's rules.
 */
import { ClusterError } from './cluster-error.ts';
import type { ComponentArgs } from './config.ts';
import * as types from './flag-types.ts';
import { invalidArgument } from './flag-types.ts';

type Check = (text: string, flag: string) => void;

const typed =
  (problemOf: (text: string) => string | undefined): Check =>
  (text, flag) => {
    const why = problemOf(text);
    if (why !== undefined) throw invalidArgument(text, flag, why);
  };
const [boolean, integer, duration] = [typed(types.boolean), typed(types.integer), typed(types.duration)];
const notNegative =
  (check: Check): Check =>
  (text, flag) => {
    check(text, flag);
    if (text.startsWith('-')) throw new ClusterError(`--${flag} can not be negative value`);
  };
const positive =
  (check: Check): Check =>
  (text, flag) => {
    check(text, flag);
    if (Number(text) <= 0) throw new ClusterError(`--${flag} should be a positive number, but value '${text}' provided`);
  };
const oneOf =
  (...values: readonly string[]): Check =>
  (text, flag) => {
    if (!values.includes(text)) throw new ClusterError(`--${flag} invalid, allowed values: ${values.join(', ')}.`);
  };
const anything: Check = () => {};

const watchCacheSizes: Check = (text) => {
  for (const each of text.split(',')) {
    if (each === '') continue;
    const [, size, more] = each.split('#');
    if (size === undefined || more !== undefined) throw new ClusterError(`invalid value of watch cache size: ${each}`);
    if (!/^[+-]?\d+$/.test(size)) throw new ClusterError(`invalid size of watch cache size: ${each}`);
    if (Number(size) < 0) throw new ClusterError(`watch cache size cannot be negative: ${each}`);
  }
};

/** As upstream's --emulated-version has it; nothing earlier is emulated. */
const served = '1.36';
const servedVersion: Check = (text, flag) => {
  for (const each of text.split(',')) {
    const version = each.replace(/^kube=/, '');
    if (!/^v?\d+\.\d+(\.0)?$/.test(version)) throw invalidArgument(text, flag, `illegal version string ${JSON.stringify(version)}`);
    const short = version.replace(/^v/, '').replace(/^(\d+\.\d+)\.0$/, '$1');
    if (short !== served) throw new ClusterError(`emulation version ${short} is not between [${served}, ${served}]`);
  }
};

const previous = '1.35';
const previousVersion: Check = (text, flag) => {
  if (text !== '' && text !== previous)
    throw new ClusterError(`--${flag} must be omitted or have the value '${previous}'. Only the previous minor version is allowed`);
};

/** What the watch cache holds is bounded by what there is; that a resource has none is heeded (watch-cache-flags.ts). */
const watchCache = {
  'watch-cache': boolean,
  'watch-cache-sizes': watchCacheSizes,
  'default-watch-cache-size': integer,
};
/** The store is asked when there is need, and counts as it goes. */
const store = {
  'etcd-count-metric-poll-period': duration,
  'etcd-db-metric-poll-interval': duration,
  'lease-reuse-duration-seconds': integer,
  'storage-initialization-timeout': notNegative(duration),
};
/** Go's runtime, profiles and log library. */
const runtime = {
  'contention-profiling': boolean,
  'debug-socket-path': anything,
  'log-flush-frequency': duration,
  'log-json-info-buffer-size': anything,
  'log-json-split-stream': boolean,
  'log-text-info-buffer-size': anything,
  'log-text-split-stream': boolean,
  vmodule: anything,
};
/** Calls of kubelets last as long as they are asked to, and what upstream itself no longer heeds. The port is heeded. */
const kubelets = {
  'kubelet-port': integer,
  'kubelet-read-only-port': integer,
  'kubelet-timeout': duration,
};
/** No metric is hidden here. */
const metrics = {
  'show-hidden-metrics-for-version': previousVersion,
};
/** Servers of a cluster have nothing to ask of each other: all of them serve the same versions. */
const peers = {
  'peer-advertise-ip': anything,
  'peer-advertise-port': anything,
  'peer-ca-file': anything,
};
/** What is so here in any case: API servers are known by their leases, no redirects from other servers, one emulated version. */
const always = {
  'apiserver-count': positive(integer),
  'aggregator-reject-forwarding-redirect': oneOf('true'),
  'enable-garbage-collector': oneOf('true'),
  'max-connection-bytes-per-sec': oneOf('0'),
  'emulated-version': servedVersion,
  'min-compatibility-version': servedVersion,
  'emulation-forward-compatible': boolean,
  'runtime-config-emulation-forward-compatible': boolean,
};

const checks: Readonly<Record<string, Check>> = { ...watchCache, ...store, ...runtime, ...kubelets, ...metrics, ...peers, ...always };

export const takenFlags: readonly string[] = Object.keys(checks);

/** Of the scheduler and the controller manager: they ask the API server for no more than they need, and are profiled by Node's means. */
export const takenLoopFlags = ['contention-profiling', 'kube-api-burst', 'kube-api-content-type', 'kube-api-qps', 'profiling'] as const;

/** Throws ClusterError in upstream's words for a value that upstream would not take either, or that asks for what can't be had here. */
export function checkTakenFlags(args: ComponentArgs): void {
  for (const [flag, check] of Object.entries(checks)) {
    const text = args[flag];
    if (text !== undefined) check(text, flag);
  }
}
