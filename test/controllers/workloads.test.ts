/** The workload controllers against the real API server, in one process: its defaulting, validation, patches and permissions. */
import { pino } from 'pino';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { type Draft, DaemonSet, Deployment, Event, Job, kinds, type KubeObject, Namespace, Node, Pod, ReplicaSet, type Resource, StatefulSet } from '../../src/api/index.ts';
import { type Client, createClient } from '../../src/client/index.ts';
import { runControllerManager } from '../../src/controllers/index.ts';
import { createSigningRequest, generateKeyPair } from '../../src/pki/index.ts';
import { createClusterApiServer, type ClusterApiServer } from '../../src/server/index.ts';
