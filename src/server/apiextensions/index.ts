export { type CustomResources, serveCustomResources } from './custom-resources.ts';
