/** What a JSON schema of our own description says: fields with their types, an example, and a request as a command. */

const MOST_DEEP = 4;
const named = (ref) => ref.split('/').at(-1);

/** A schema with what it refers to in its place. */
export function resolved(schema, all) {
  if (!schema) return {};
  if (schema.$ref) return { ...(all[named(schema.$ref)] ?? {}), ...schema, $ref: undefined };
  if (schema.allOf?.length === 1) return { ...schema, ...resolved(schema.allOf[0], all) };
  return schema;
}

/** A type in a few words: string, one of a and b, list of NewLink. */
export function typeOf(schema, all) {
  if (!schema) return '';
  if (schema.$ref) {
    const target = all[named(schema.$ref)] ?? {};
    return target.enum ? target.enum.map((each) => JSON.stringify(each)).join(' | ') : named(schema.$ref);
  }
  if (schema.enum) return schema.enum.map((each) => JSON.stringify(each)).join(' | ');
  if (schema.const !== undefined) return JSON.stringify(schema.const);
  if (schema.anyOf || schema.oneOf) return (schema.anyOf ?? schema.oneOf).map((each) => typeOf(each, all)).join(' | ');
  if (schema.type === 'array') return schema.items ? `[${typeOf(schema.items, all)}]` : '[…]';
  if (schema.type === 'object' && schema.additionalProperties?.$ref) return `{… : ${typeOf(schema.additionalProperties, all)}}`;
  return [schema.type].flat().filter(Boolean).join(' | ') || '…';
}

/** What bounds a value: 1 to 64 characters, from 0 to 10. */
export function boundsOf(schema) {
  const pairs = [
    [schema.minLength, schema.maxLength],
    [schema.minimum ?? schema.exclusiveMinimum, schema.maximum ?? schema.exclusiveMaximum],
    [schema.minItems, schema.maxItems],
  ];
  const said = pairs.filter(([low, high]) => low !== undefined || high !== undefined).map(([low, high]) => `${low ?? ''}…${high ?? ''}`);
  if (schema.pattern) said.push(schema.pattern);
  if (schema.default !== undefined && schema.default !== '' && schema.default !== null) said.push(`= ${JSON.stringify(schema.default)}`);
  return said.join(' · ');
}

/** The fields of an object: `[name, schema, required]` each. */
export function fieldsOf(schema, all) {
  const object = resolved(schema, all);
  return Object.entries(object.properties ?? {}).map(([name, of]) => [name, of, (object.required ?? []).includes(name)]);
}

/** A body as it might be sent: what must be in it, and of the rest its defaults. */
export function exampleOf(schema, all, deep = 0) {
  const own = resolved(schema, all);
  if (own.default !== undefined) return own.default;
  if (own.enum) return own.enum[0];
  if (own.const !== undefined) return own.const;
  const either = own.anyOf ?? own.oneOf;
  if (either) return exampleOf(either.find((each) => each.type !== 'null') ?? either[0], all, deep);
  const type = [own.type].flat().find((each) => each !== 'null');
  if (type === 'object' || own.properties) {
    if (deep >= MOST_DEEP) return {};
    const wanted = fieldsOf(own, all).filter(([, , required]) => required || deep === 0);
    return Object.fromEntries(wanted.map(([name, of]) => [name, exampleOf(of, all, deep + 1)]));
  }
  if (type === 'array') return own.minItems && own.items && deep < MOST_DEEP ? [exampleOf(own.items, all, deep + 1)] : [];
  if (type === 'integer' || type === 'number') return own.minimum ?? 0;
  if (type === 'boolean') return false;
  return type === 'null' ? null : 'x'.repeat(Math.max(1, Math.min(own.minLength ?? 1, 8)));
}

/** Every operation: `{id, method, path, part, summary, ...}`. */
export function operationsOf(description) {
  return Object.entries(description.paths)
    .filter(([path]) => path.startsWith('/api/v1/'))
    .flatMap(([path, methods]) => Object.entries(methods).map(([method, operation]) => ({ ...operation, method: method.toUpperCase(), path, id: operation.operationId, part: operation.tags[0] })));
}

/** The address with its parameters in their places; `given`: their values by name. */
export function addressOf(operation, given) {
  const at = operation.path.replace(/\{(\w+)\}/g, (whole, name) => (given[name] ? encodeURIComponent(given[name]) : whole));
  const query = new URLSearchParams(operation.parameters.filter((each) => each.in === 'query' && given[each.name]).map((each) => [each.name, given[each.name]]));
  return query.size ? `${at}?${query}` : at;
}

const quoted = (text) => `'${text.replaceAll("'", "'\\''")}'`;

/** The same as a command. The key stands in a variable, so that none is copied. */
export function commandOf(operation, given, body, origin) {
  const lines = [`curl -sS -X ${operation.method} ${quoted(origin + addressOf(operation, given))}`];
  if (operation.security) lines.push('-H "Authorization: Bearer $KEY"');
  if (operation.parameters.some((each) => each.name === 'Idempotency-Key')) lines.push('-H "Idempotency-Key: $(uuidgen)"');
  if (body !== undefined) lines.push("-H 'Content-Type: application/json'", `-d ${quoted(JSON.stringify(body))}`);
  return lines.join(' \\\n  ');
}
