export { addressObjects } from './address-objects.ts';
export { type Claims, storeClaims } from './claims.ts';
export { keepIpAddresses } from './ip-addresses.ts';
export { type IpRange, parseIpRange } from './ip-range.ts';
export { type PortRange, parsePortRange } from './port-range.ts';
export { type ServiceAllocator, type ServiceAllocatorOptions, serviceAllocator } from './service-allocator.ts';
