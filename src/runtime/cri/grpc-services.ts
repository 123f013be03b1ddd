/** gRPC services from JSON descriptors, with messages as the generated types have them: camelCase, enums by name, longs as numbers. */
import { type GrpcObject, loadPackageDefinition, type ServiceClientConstructor } from '@grpc/grpc-js';
import { fromJSON } from '@grpc/proto-loader';

interface Descriptor {
  nested?: Record<string, Descriptor>;
  fields?: Record<string, unknown>;
}

const camelCase = (name: string) => name.replace(/_([a-z0-9])/g, (_, letter: string) => letter.toUpperCase());

/** protobufjs camel-cases names only when it parses text, so descriptors are renamed first. */
function withCamelCaseFields(descriptor: Descriptor): Descriptor {
  return {
    ...descriptor,
    ...(descriptor.fields ? { fields: Object.fromEntries(Object.entries(descriptor.fields).map(([k, v]) => [camelCase(k), v])) } : {}),
    ...(descriptor.nested
      ? { nested: Object.fromEntries(Object.entries(descriptor.nested).map(([k, v]) => [k, withCamelCaseFields(v)])) }
      : {}),
  };
}

/** The client constructor of a service: `serviceOf(descriptor, 'runtime.v1.RuntimeService')`. */
export function serviceOf(descriptor: unknown, fullName: string): ServiceClientConstructor {
  // A descriptor is a JSON file of ours in protobufjs' form.
  const definition = fromJSON(withCamelCaseFields(descriptor as Descriptor), {
    longs: Number,
    enums: String,
    defaults: true,
    arrays: true,
    objects: true,
  });
  let found: GrpcObject | ServiceClientConstructor | undefined = loadPackageDefinition(definition);
  // Walking a package path ends at the service's constructor.
  for (const part of fullName.split('.')) found = (found as GrpcObject)[part] as GrpcObject | ServiceClientConstructor | undefined;
  if (typeof found !== 'function') throw new Error(`no service ${fullName} in the descriptor`);
  return found;
}

/** Drops the nulls that protobufjs puts where a message field is absent. */
export function withoutNulls<T>(message: T): T {
  if (Array.isArray(message)) for (const item of message) withoutNulls(item);
  else if (message && typeof message === 'object' && !(message instanceof Uint8Array)) {
    for (const [key, value] of Object.entries(message)) {
      if (value === null) delete message[key as keyof T & string];
      else if (typeof value === 'object') withoutNulls(value);
    }
  }
  return message;
}
