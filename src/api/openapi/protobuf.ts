/**
 * An OpenAPI version 2 document in the protobuf form that Go clients read: `openapi.v2.Document` of gnostic-models'
 * openapiv2/OpenAPIv2.proto, whose field numbers stand here as far as our documents use them. kubectl before 1.27 validates,
 * patches and explains by nothing else.
 */
import { any, double, encodeDocument, entries, flag, integer, message, repeated, struct, text, type Write } from './message-writers.ts';
import type { Json } from './schemas.ts';

/** Schemas hold schemas. */
const schema: Write = (writer, value) => schemaContent(writer, value);
const schemaContent = struct(
  {
    $ref: text(1),
    format: text(2),
    title: text(3),
    description: text(4),
    default: any(5),
    multipleOf: double(6),
    maximum: double(7),
    exclusiveMaximum: flag(8),
    minimum: double(9),
    exclusiveMinimum: flag(10),
    maxLength: integer(11),
    minLength: integer(12),
    pattern: text(13),
    maxItems: integer(14),
    minItems: integer(15),
    uniqueItems: flag(16),
    maxProperties: integer(17),
    minProperties: integer(18),
    required: repeated(text(19)),
    enum: repeated(any(20)),
    additionalProperties: (writer, value) => message(21, typeof value === 'boolean' ? flag(2) : message(1, schema))(writer, value),
    type: message(22, text(1)),
    items: message(23, message(1, schema)),
    allOf: repeated(message(24, schema)),
    properties: message(25, entries(1, schema)),
    readOnly: flag(27),
    externalDocs: message(29, (writer, value) => externalDocs(writer, value)),
    example: any(30),
  },
  31,
);

const externalDocs = struct({ description: text(1), url: text(2) }, 3);

const bodyParameter = struct({ description: text(1), name: text(2), in: text(3), required: flag(4), schema: message(5, schema) }, 6);
const common = { required: flag(1), in: text(2), description: text(3), name: text(4) };
const queryParameter = struct({ ...common, type: text(6), format: text(7), default: any(10), uniqueItems: flag(20) });
const pathParameter = struct({ ...common, type: text(5), format: text(6), default: any(9), uniqueItems: flag(19) });

/** A ParametersItem: a body's parameter, or one of the others by where it stands. */
const parameter: Write = (writer, value) => {
  const where = (value as { in: string }).in; // every parameter says so
  const own =
    where === 'body' ? message(1, bodyParameter) : message(2, where === 'query' ? message(3, queryParameter) : message(4, pathParameter));
  message(1, own)(writer, value);
};

const response = struct({ description: text(1), schema: message(2, message(1, schema)) });
const operation = struct(
  {
    tags: repeated(text(1)),
    description: text(3),
    operationId: text(5),
    produces: repeated(text(6)),
    consumes: repeated(text(7)),
    parameters: repeated(message(8, parameter)),
    responses: message(9, entries(1, message(1, response))),
    schemes: repeated(text(10)),
  },
  13,
);
const pathItem = struct({
  get: message(2, operation),
  put: message(3, operation),
  post: message(4, operation),
  delete: message(5, operation),
  options: message(6, operation),
  head: message(7, operation),
  patch: message(8, operation),
  parameters: repeated(message(9, parameter)),
});
const apiKey = struct({ type: text(1), name: text(2), in: text(3), description: text(4) });

const document = struct({
  swagger: text(1),
  info: message(2, struct({ title: text(1), version: text(2) })),
  paths: message(8, entries(2, pathItem)),
  definitions: message(9, entries(1, schema)),
  security: repeated(message(12, entries(1, repeated(text(1))))),
  securityDefinitions: message(13, entries(1, message(2, apiKey))),
});

/** The bytes of a version 2 document as `openApiV2` makes it. */
export const encodeOpenApiV2 = (openApi: Json): Uint8Array => encodeDocument(document, openApi);
