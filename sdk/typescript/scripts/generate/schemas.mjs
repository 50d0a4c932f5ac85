// The schemas of openapi.json as TypeScript types.
import { comment, member, referred, typeName } from './names.mjs';

const SCALARS = { string: 'string', integer: 'number', number: 'number', boolean: 'boolean', null: 'null' };

/** The type of a schema where it is used. */
export const typeOf = (schema, indent = '') => {
  if (schema.$ref) return typeName(referred(schema.$ref));
  if (schema.enum) return schema.enum.map((value) => JSON.stringify(value)).join(' | ');
  if (schema.allOf) return schema.allOf.map((one) => group(typeOf(one, indent))).join(' & ');
  const either = schema.oneOf ?? schema.anyOf;
  if (either) return union(either.map((one) => typeOf(one, indent)));
  if (Array.isArray(schema.type)) return union(schema.type.map((type) => typeOf({ ...schema, type }, indent)));
  if (schema.type === 'array') return `${group(typeOf(schema.items, indent))}[]`;
  if (schema.type === 'object') return object(schema, indent);
  if (schema.type in SCALARS) return SCALARS[schema.type];
  if (Object.keys(schema).every((key) => ['description', 'example', 'default'].includes(key))) return 'unknown';
  throw new Error(`no type for ${JSON.stringify(schema)}`);
};

const union = (types) => [...new Set(types)].join(' | ');

const group = (type) => (/[|&]/.test(type) && !/^[{<]/.test(type) ? `(${type})` : type);

const object = (schema, indent) => {
  if (schema.properties) return `{\n${members(schema, `${indent}  `)}${indent}}`;
  const { additionalProperties: values } = schema;
  return `Record<string, ${values && values !== true ? typeOf(values, indent) : 'unknown'}>`;
};

/** The members of an object, a line and a doc comment each. */
export const members = (schema, indent = '  ') => {
  const required = new Set(schema.required);
  const lines = Object.entries(schema.properties).map(([name, value]) => {
    const type = typeOf(value, indent);
    const words = describe(value);
    const optional = required.has(name) ? `: ${type}` : `?: ${type} | undefined`;
    return `${words ? comment(words, indent) : ''}${indent}${member(name)}${optional};\n`;
  });
  return lines.join('');
};

/** What is said of a member: by itself, or by what it may be beside `null`. */
const describe = (schema) => schema.description ?? (schema.oneOf ?? []).find((one) => one.description)?.description;

/** src/generated/schemas.ts. */
export const schemas = (spec) => {
  const all = Object.entries(spec.components.schemas).filter(([name]) => !name.startsWith('Page_'));
  const types = all.map(([name, schema]) => {
    const head = schema.description ? comment(schema.description) : '';
    if (schema.type === 'object' && schema.properties) {
      return `${head}export interface ${typeName(name)} {\n${members(schema)}}\n`;
    }
    return `${head}export type ${typeName(name)} = ${typeOf(schema)};\n`;
  });
  return types.join('\n');
};
