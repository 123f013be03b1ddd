/**
 * What a user does with a cluster, with upstream's kubectl and real containers: one cluster, step after step, from the first look to
 * draining its node. Images come from a registry on loopback that stands in for docker.io.
 */
import { afterAll, beforeAll, describe } from 'vitest';
import { applicationSteps } from './steps/application.ts';
import { changeSteps } from './steps/changes.ts';
import { controllerSteps } from './steps/controllers.ts';
import { deploymentSteps } from './steps/deployments.ts';
import { discoverySteps } from './steps/discovery.ts';
import { farewellSteps } from './steps/farewell.ts';
import { nodeSteps } from './steps/nodes.ts';
import { podSteps } from './steps/pods.ts';
import { serviceSteps } from './steps/services.ts';
import { streamSteps } from './steps/streams.ts';
import { troubleSteps } from './steps/troubles.ts';
import { begin, walk } from './walk.ts';

beforeAll(begin, 120_000);
afterAll(() => walk?.end(), 60_000);

describe('a walk through a cluster of containers', { timeout: 60_000 }, () => {
  describe('nodes', nodeSteps);
  describe('what the API says of itself', discoverySteps);
  describe('pods', podSteps);
  describe('deployments', deploymentSteps);
  describe('an application of four parts', applicationSteps);
  describe('services', serviceSteps);
  describe('into containers and out', streamSteps);
  describe('changes', changeSteps);
  describe('jobs, daemons and stateful sets', controllerSteps);
  describe('trouble', troubleSteps);
  describe('farewell', farewellSteps);
});
