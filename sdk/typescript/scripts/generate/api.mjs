// The operations of openapi.json under the names of sdk/methods.json: a table for the runtime, interfaces for the editor.
import { camel, comment, pascal, referred, typeName } from './names.mjs';
import { members, typeOf } from './schemas.mjs';

const FORMS = { 'text/html': 'html', 'application/pdf': 'pdf', 'text/csv': 'csv' };

/** The events of a stream, which a schema of the stream does not say. */
const EVENTS = { stream_requests: 'Request' };

/** src/generated/operations.ts and src/generated/resources.ts, and the table of methods for people. */
export const api = (spec, methods) => {
  const operations = Object.entries(spec.paths).flatMap(([path, verbs]) =>
    Object.entries(verbs)
      .filter(([, one]) => methods[one.operationId])
      .map(([verb, one]) => operation(spec, verb.toUpperCase(), path, one)),
  );
  const tree = {};
  for (const one of operations) {
    const words = methods[one.id].split('.').map(camel);
    const verb = words.pop();
    let node = tree;
    for (const word of words) node = node[word] ??= {};
    node[verb] = one;
  }
  const files = { 'operations.ts': table(tree), 'resources.ts': interfaces(tree, operations) };
  return { files, reference: reference(operations, methods) };
};

/** What is needed of one operation. */
const operation = (spec, method, path, raw) => {
  const parameters = raw.parameters ?? [];
  const answers = Object.entries(raw.responses).filter(([status]) => status.startsWith('2'));
  const content = answers.map(([, answer]) => answer.content ?? {}).find((one) => Object.keys(one).length > 0) ?? {};
  const events = EVENTS[raw.operationId];
  const unused = events ? ['limit', 'after'] : [];
  return {
    id: raw.operationId,
    method,
    path,
    words: raw.summary,
    places: parameters.filter((one) => one.in === 'path'),
    query: parameters.filter((one) => one.in === 'query' && !unused.includes(one.name)),
    body: raw.requestBody && bodyOf(spec, raw.requestBody.content['application/json'].schema),
    keyed: parameters.some((one) => one.name === 'Idempotency-Key'),
    open: raw.security?.length === 0,
    ...answerOf(spec, content, events),
  };
};

const bodyOf = (spec, schema) => {
  const named = spec.components.schemas[referred(schema.$ref)];
  return { type: typeName(referred(schema.$ref)), optional: !named.required?.length };
};

/** What an operation answers: the kind for the runtime, and the type. */
const answerOf = (spec, content, events) => {
  if (events) return { answer: 'events', type: typeName(events) };
  const { 'application/json': json, ...others } = content;
  if (!json) return Object.keys(others).length > 0 ? { answer: 'download' } : { answer: 'none' };
  const schema = json.schema.$ref ? spec.components.schemas[referred(json.schema.$ref)] : json.schema;
  const { data, next } = schema.properties ?? {};
  if (data && next) {
    const name = json.schema.$ref ? referred(json.schema.$ref) : '';
    const item = name.startsWith('Page_') ? typeName(name.slice('Page_'.length)) : typeOf(data.items);
    return { answer: schema.required.includes('next') ? 'feed' : 'page', type: item };
  }
  const forms = Object.keys(others).map((type) => FORMS[type]);
  return { answer: 'json', type: typeOf(json.schema), ...(forms.length > 0 && { forms }) };
};

const isOperation = (node) => typeof node.method === 'string';

const row = (one) => {
  const members = [`id: '${one.id}'`, `method: '${one.method}'`, `path: '${one.path}'`, `answer: '${one.answer}'`];
  if (one.body) members.push('body: true');
  if (one.query.length > 0) members.push(`query: [${one.query.map(({ name }) => `'${name}'`).join(', ')}]`);
  if (one.forms) members.push('forms: true');
  if (one.keyed) members.push('keyed: true');
  if (one.open) members.push('open: true');
  return `{ ${members.join(', ')} }`;
};

const table = (tree) => {
  const write = (node, indent) =>
    Object.entries(node)
      .map(([name, value]) =>
        isOperation(value)
          ? `${indent}${name}: ${row(value)},\n`
          : `${indent}${name}: {\n${write(value, `${indent}  `)}${indent}},\n`,
      )
      .join('');
  return `import type { Table } from '../operation.js';

/** Every operation of the control API, under its name in this package. */
export const OPERATIONS = {\n${write(tree, '  ')}} as const satisfies Table;\n`;
};

const interfaces = (tree, operations) => {
  const all = [];
  const write = (node, words) => {
    const resource = words.length > 0 ? `${words.map(pascal).join('')}Resource` : 'Api';
    const lines = Object.entries(node).map(([name, value]) =>
      isOperation(value)
        ? signatures(name, value)
        : `  readonly ${name}: ${write(value, [...words, name])};\n`,
    );
    const head = comment(words.length > 0 ? `\`ks.${words.join('.')}\`.` : 'The control API, a member for each resource.');
    all.push(`${head}export interface ${resource} {\n${lines.join('')}}\n`);
    return resource;
  };
  write(tree, []);
  const queries = operations.filter((one) => one.query.length > 0).map(queryType);
  const text = [...queries, ...all].join('\n');
  const used = (names) => names.filter((name) => new RegExp(`\\b${name}\\b`).test(text)).sort();
  const types = operations.flatMap((one) => [one.body?.type, ...(one.type?.match(/[A-Z]\w+/g) ?? [])]);
  const inQueries = operations.flatMap((one) => one.query.flatMap(({ schema }) => typeOf(schema).match(/\b[A-Z]\w+/g) ?? []));
  const schemas = used([...new Set([...types, ...inQueries].filter(Boolean))]);
  return `import type { Download } from '../download.js';
import type { RequestOptions, StreamOptions, WriteOptions } from '../operation.js';
import type { Paged } from '../paging.js';
import type { Subscription } from '../sse.js';
import type {\n${schemas.map((name) => `  ${name},\n`).join('')}} from './schemas.js';

${text}`;
};

const queryName = (one) => `${pascal(one.id)}Query`;

const queryType = (one) => {
  const properties = Object.fromEntries(one.query.map(({ name, schema, description }) => [name, { ...schema, description }]));
  const required = one.query.filter((parameter) => parameter.required).map(({ name }) => name);
  const head = comment(`What \`${one.method} ${one.path}\` takes in its query.`);
  return `${head}export interface ${queryName(one)} {\n${members({ properties, required })}}\n`;
};

/** What stands behind the path parameters, with a `?` where it may be left out: the body, or without one the query. */
const inputOf = (one) => {
  if (one.body) return { name: one.body.optional ? 'body?' : 'body', type: one.body.type };
  if (one.query.length === 0) return undefined;
  return { name: one.query.some(({ required }) => required) ? 'query' : 'query?', type: queryName(one) };
};

/** The methods as a table in Markdown. */
const reference = (operations, methods) => {
  const rows = operations.map((one) => {
    const input = inputOf(one);
    const parameters = [...one.places.map(({ name }) => name), ...(input ? [input.name] : [])].join(', ');
    const words = one.words.replaceAll('\n', ' ').replaceAll('|', '\\|');
    return `| \`ks.${methods[one.id].split('.').map(camel).join('.')}(${parameters})\` | \`${one.method} ${one.path}\` | ${words} |\n`;
  });
  return `| method | operation | |\n| --- | --- | --- |\n${rows.sort().join('')}`;
};

/** A method of a resource: one signature, or one for each kind of answer. */
const signatures = (name, one) => {
  const places = one.places.map((place) => `${place.name}: string`);
  const options = one.answer === 'events' ? 'StreamOptions' : one.keyed ? 'WriteOptions' : 'RequestOptions';
  const given = inputOf(one);
  const input = given && `${given.name}: ${given.type}`;
  const last = one.body && one.query.length > 0 ? `options?: ${options} & ${queryName(one)}` : `options?: ${options}`;
  const write = (parameters, result, words) =>
    `${comment(words, '  ')}  ${name}(${parameters.filter(Boolean).join(', ')}): ${result};\n`;
  const words = docs(one);
  if (!one.forms) return write([...places, input, last], resultOf(one), words);
  const formats = one.forms.map((form) => `'${form}'`).join(' | ');
  return (
    write([...places, `options?: ${options} & { format?: 'json' | undefined }`], resultOf(one), words) +
    write([...places, `options: ${options} & { format: ${formats} }`], 'Promise<Download>', words)
  );
};

const docs = (one) => {
  const places = one.places.map(({ name, description }) => `@param ${name} ${description ?? ''}`.trimEnd());
  return [one.words, '', `\`${one.method} ${one.path}\``, ...(places.length > 0 ? ['', ...places] : [])].join('\n');
};

const resultOf = ({ answer, type }) => {
  switch (answer) {
    case 'none':
      return 'Promise<void>';
    case 'page':
    case 'feed':
      return `Paged<${type}>`;
    case 'download':
      return 'Promise<Download>';
    case 'events':
      return `Subscription<${type}>`;
    default:
      return `Promise<${type}>`;
  }
};
