/**
 * An OpenAPI version 3 document in protobuf: `openapi.v3.Document` of gnostic-models' openapiv3/OpenAPIv3.proto, whose field numbers
 * stand here as far as our documents use them. client-go before 1.27 reads version 3 by nothing else.
 */
import { any, double, encodeDocument, entries, flag, integer, message, repeated, struct, text, type Write } from './message-writers.ts';
import type { Json } from './schemas.ts';

const reference = struct({ $ref: text(1) });
const isReference = (value: unknown) => typeof value === 'object' && value !== null && '$ref' in value;
/** A oneof of the thing itself (1) and a reference to it (2). */
const orReference =
  (content: Write): Write =>
  (writer, value) =>
    isReference(value) ? message(2, reference)(writer, value) : message(1, content)(writer, value);

/** A DefaultType has only scalars: other defaults are told in JSON alone, as gnostic has it. */
const defaultValue: Write = (writer, value) => {
  const number =
    typeof value === 'number' ? double(1) : typeof value === 'boolean' ? flag(2) : typeof value === 'string' ? text(3) : undefined;
  if (number !== undefined) message(33, number)(writer, value);
};

/** Schemas hold schemas. */
const schema: Write = (writer, value) => schemaContent(writer, value);
const schemaOrReference = orReference(schema);
const schemas = (number: number): Write => repeated(message(number, schemaOrReference));
const schemaContent = struct(
  {
    nullable: flag(1),
    readOnly: flag(3),
    externalDocs: message(6, struct({ description: text(1), url: text(2) }, 3)),
    example: any(7),
    title: text(9),
    multipleOf: double(10),
    maximum: double(11),
    exclusiveMaximum: flag(12),
    minimum: double(13),
    exclusiveMinimum: flag(14),
    maxLength: integer(15),
    minLength: integer(16),
    pattern: text(17),
    maxItems: integer(18),
    minItems: integer(19),
    uniqueItems: flag(20),
    maxProperties: integer(21),
    minProperties: integer(22),
    required: repeated(text(23)),
    enum: repeated(any(24)),
    type: text(25),
    allOf: schemas(26),
    oneOf: schemas(27),
    anyOf: schemas(28),
    not: message(29, schema),
    items: message(30, message(1, schemaOrReference)),
    properties: message(31, entries(1, schemaOrReference)),
    additionalProperties: (writer, value) =>
      message(32, typeof value === 'boolean' ? flag(2) : message(1, schemaOrReference))(writer, value),
    default: defaultValue,
    description: text(34),
    format: text(35),
  },
  36,
);

const content = (number: number) => message(number, entries(1, struct({ schema: message(1, schemaOrReference) })));
const parameter = orReference(
  struct({ name: text(1), in: text(2), description: text(3), required: flag(4), schema: message(10, schemaOrReference) }),
);
const operation = struct(
  {
    tags: repeated(text(1)),
    description: text(3),
    operationId: text(5),
    parameters: repeated(message(6, parameter)),
    requestBody: message(7, orReference(struct({ description: text(1), content: content(2), required: flag(3) }))),
    responses: message(8, entries(2, orReference(struct({ description: text(1), content: content(3) })))),
  },
  13,
);
const pathItem = struct({
  get: message(4, operation),
  put: message(5, operation),
  post: message(6, operation),
  delete: message(7, operation),
  options: message(8, operation),
  head: message(9, operation),
  patch: message(10, operation),
  parameters: repeated(message(13, parameter)),
});

const securityScheme = orReference(struct({ type: text(1), description: text(2), name: text(3), in: text(4) }));
const document = struct({
  openapi: text(1),
  info: message(2, struct({ title: text(1), version: text(6) })),
  paths: message(4, entries(1, pathItem)),
  components: message(
    5,
    struct({ schemas: message(1, entries(1, schemaOrReference)), securitySchemes: message(7, entries(1, securityScheme)) }),
  ),
});

/** The bytes of a version 3 document as `openApiV3` makes it. */
export const encodeOpenApiV3 = (openApi: Json): Uint8Array => encodeDocument(document, openApi);
