// What an operation is: the rows of the generated table, and the options that a caller gives with it.

/** Options of every call. */
export interface RequestOptions {
  /** Ends the call early: it rejects with the signal's reason. */
  signal?: AbortSignal | undefined;
  /** How many milliseconds one attempt may take, instead of the client's own timeout. A stream has this long to begin. */
  timeout?: number | undefined;
}

/** Options of a call that changes something and may be repeated under a key. */
export interface WriteOptions extends RequestOptions {
  /**
   * 1 to 255 visible ASCII characters. For 24 hours the same call with the same key has no second effect. Without one, each call
   * gets a key of its own, which its retries share; give one so that a later run of the program does not repeat the call either.
   */
  idempotencyKey?: string | undefined;
}

/** Options of a stream. */
export interface StreamOptions extends RequestOptions {
  /** Begins behind this event, the `lastEventId` of an earlier subscription; at now otherwise. */
  lastEventId?: string | undefined;
}

/** One operation of the control API. */
export interface Operation {
  /** Its `operationId` in openapi.json. */
  readonly id: string;
  readonly method: 'GET' | 'POST' | 'PATCH' | 'DELETE' | 'PUT';
  /** With `{name}` for each path parameter. */
  readonly path: string;
  /** What comes back: a value, nothing, a page, a page that never is the last, a file, server-sent events. */
  readonly answer: 'json' | 'none' | 'page' | 'feed' | 'download' | 'events';
  /** It takes a JSON body. */
  readonly body?: boolean;
  /** The parameters of its query. */
  readonly query?: readonly string[];
  /** The answer has other forms, asked for by what stands behind the last path parameter (`.pdf`). */
  readonly forms?: boolean;
  /** It takes an idempotency key. */
  readonly keyed?: boolean;
  /** It needs no management key. */
  readonly open?: boolean;
}

/** Operations by resource and verb; a resource may have resources inside. */
export interface Table {
  readonly [name: string]: Operation | Table;
}
