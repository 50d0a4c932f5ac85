// Makes the methods of a client from the table of operations. What a method takes and gives is said by the generated interfaces;
// here it is: path parameters in their order, then the body or the query, then the options.
import { Download } from './download.js';
import { ConfigurationError } from './errors.js';
import type { Call, Transport } from './http.js';
import type { Operation, RequestOptions, StreamOptions, Table, WriteOptions } from './operation.js';
import { Page, Paged } from './paging.js';
import { Subscription } from './sse.js';

type Values = Readonly<Record<string, unknown>>;

/** What a method was called with, sorted out. */
interface Given {
  readonly path: string;
  readonly query: Values;
  readonly body: unknown;
  readonly options: WriteOptions & StreamOptions & { readonly format?: string };
}

/** An object with a method for each operation, and an object for each resource inside. */
export const methodsOf = (table: Table, transport: Transport): Record<string, unknown> =>
  Object.fromEntries(
    Object.entries(table).map(([name, one]) => [
      name,
      isOperation(one) ? (...args: unknown[]) => run(one, transport, args) : methodsOf(one, transport),
    ]),
  );

const isOperation = (one: Operation | Table): one is Operation => typeof one.method === 'string';

const run = (operation: Operation, transport: Transport, args: unknown[]): unknown => {
  switch (operation.answer) {
    case 'page':
    case 'feed':
      return new Paged(async (after) => page(operation, transport, sortOut(operation, args), after), operation.answer === 'feed');
    case 'events':
      return stream(operation, transport, sortOut(operation, args));
    default:
      return once(operation, transport, args);
  }
};

// Async, so that a mistake in the arguments rejects the promise as every other failure does.
const once = async (operation: Operation, transport: Transport, args: unknown[]): Promise<unknown> => {
  const given = sortOut(operation, args);
  if (operation.answer === 'download' || formOf(operation, given.options)) {
    return transport.send(callOf(operation, given, { accept: '*/*' }), (response) => new Download(response));
  }
  return transport.send(callOf(operation, given), (response) =>
    operation.answer === 'none' ? response.arrayBuffer().then(() => undefined) : response.json(),
  );
};

const stream = (operation: Operation, transport: Transport, given: Given): Subscription<unknown> => {
  const open = (last: string | undefined): Promise<Response> => {
    const headers = { accept: 'text/event-stream', ...(last !== undefined && { 'last-event-id': last }) };
    return transport.send(callOf(operation, given, headers), (response) => response);
  };
  const { lastEventId, signal } = given.options;
  return new Subscription(open, transport.maxRetries, lastEventId, signal);
};

const page = async (operation: Operation, transport: Transport, given: Given, after?: string): Promise<Page<unknown>> => {
  const query = after === undefined ? given.query : { ...given.query, after };
  const answer = await transport.send(callOf(operation, { ...given, query }), (response) => response.json());
  const { data, next } = answer as { data: unknown[]; next?: string | null };
  return new Page(data, next ?? undefined, (after) => page(operation, transport, given, after));
};

const sortOut = (operation: Operation, args: unknown[]): Given => {
  const places = [...operation.path.matchAll(/\{(\w+)\}/g)].map(([, name]) => name as string);
  const takesInput = operation.body || operation.query;
  const [input, options] = [takesInput ? args[places.length] : undefined, args[places.length + (takesInput ? 1 : 0)]];
  const given = (options ?? {}) as Given['options'];
  return {
    path: pathOf(operation, places, args, formOf(operation, given)),
    // With a body, the few parameters of the query stand beside the options.
    query: operation.body ? pick(given as Values, operation.query ?? []) : ((input ?? {}) as Values),
    body: operation.body ? (input ?? {}) : undefined,
    options: given,
  };
};

/** The form of the answer, where it is not JSON. */
const formOf = (operation: Operation, { format }: Given['options']): string | undefined =>
  operation.forms && format !== 'json' ? format : undefined;

const pathOf = (operation: Operation, places: string[], args: unknown[], form: string | undefined): string => {
  const path = places.reduce((path, name, at) => {
    const value = args[at];
    // `..` would name another resource, once it is part of a URL.
    if (typeof value !== 'string' || value === '' || value === '.' || value === '..') {
      throw new ConfigurationError(`\`${name}\` must be an id or a name, and not empty`);
    }
    return path.replace(`{${name}}`, () => encodeURIComponent(value));
  }, operation.path);
  return form === undefined ? path : `${path}.${form}`;
};

const pick = (values: Values, names: readonly string[]): Values =>
  Object.fromEntries(names.filter((name) => values[name] !== undefined).map((name) => [name, values[name]]));

const callOf = (operation: Operation, given: Given, headers: Record<string, string> = {}): Call => {
  const { idempotencyKey, signal, timeout } = given.options;
  const options: RequestOptions = { signal, timeout };
  const key = operation.keyed ? (idempotencyKey ?? `sdk-${crypto.randomUUID()}`) : undefined;
  return {
    method: operation.method,
    target: given.path + queryOf(given.query),
    body: given.body === undefined ? undefined : JSON.stringify(given.body),
    headers: key === undefined ? headers : { ...headers, 'idempotency-key': key },
    open: operation.open,
    repeat: operation.method === 'GET' ? 'freely' : key !== undefined ? 'under-key' : 'if-undone',
    options,
  };
};

const queryOf = (values: Values): string => {
  const query = new URLSearchParams();
  for (const [name, value] of Object.entries(values)) {
    if (value === undefined || value === null) continue;
    query.append(name, value instanceof Date ? value.toISOString() : String(value));
  }
  const text = query.toString();
  return text && `?${text}`;
};
