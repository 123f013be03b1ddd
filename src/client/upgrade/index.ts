export { certificateProblem, dialErrorMessage } from './dial-error.ts';
export { limitDialing, requestUpgrade, type UpgradeRequest, type UpgradeResult, type UpgradeTls } from './request-upgrade.ts';
export { responseHead, tunnel } from './tunnel.ts';
