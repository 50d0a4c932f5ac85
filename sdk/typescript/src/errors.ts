// What goes wrong, as classes to catch and codes to branch on. Which failures are tried again is `retry.ts`'s matter.
import type { ErrorCode } from './generated/codes.js';
import type { FieldError, Problem } from './generated/schemas.js';

/** A code of this package itself, for what did not come from a server. */
export type ClientErrorCode = 'connection_failed' | 'timeout' | 'misconfigured' | 'unexpected_answer';

/** What failed, to branch on. A later server may send codes that this version does not know: they pass as they are. */
export type AnyErrorCode = ErrorCode | ClientErrorCode | (string & Record<never, never>);

/** What every error of this package has. Its words never contain a key or a token. */
export class KeystoreError extends Error {
  override readonly name: string = 'KeystoreError';
  /** What failed; stable, unlike the words. */
  readonly code: AnyErrorCode;
  /** The HTTP status; absent where no answer came. */
  readonly status?: number;
  /** What to do about it, where something helps. */
  readonly remedy?: string;
  /** The id to give when asking about this answer; absent where no answer came. */
  readonly requestId?: string;
  /** Which fields are at fault, by JSON pointer (RFC 6901), query parameters as `?name`. Empty where none is. */
  readonly errors: readonly FieldError[] = [];

  constructor(message: string, code: AnyErrorCode, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
  }
}

/** The client was set up or called in a way that cannot work. Nothing was sent. */
export class ConfigurationError extends KeystoreError {
  override readonly name: string = 'ConfigurationError';

  constructor(message: string) {
    super(message, 'misconfigured');
  }
}

/** No answer came, or it broke off. Whether a call that changes something had its effect is not known. */
export class ConnectionError extends KeystoreError {
  override readonly name: string = 'ConnectionError';

  constructor(message: string, cause: unknown, code: ClientErrorCode = 'connection_failed') {
    super(message, code, { cause });
  }
}

/** No answer came in time. */
export class TimeoutError extends ConnectionError {
  override readonly name: string = 'TimeoutError';

  constructor(message: string) {
    super(message, undefined, 'timeout');
  }
}

/** An answer that is an error. What the server said about it stands in the members of {@link KeystoreError}. */
export class ApiError extends KeystoreError {
  override readonly name: string = 'ApiError';
  declare readonly status: number;
  declare readonly remedy?: string;
  declare readonly requestId?: string;
  declare readonly errors: readonly FieldError[];
  /** The problem as the server wrote it (RFC 9457); absent where something else answered, such as a proxy in between. */
  readonly problem?: Problem;
  /** How many seconds to wait before the next attempt, where the server says so. */
  readonly retryAfter?: number;

  constructor(status: number, problem: Problem | undefined, requestId?: string, retryAfter?: number) {
    super(wordsOf(status, problem), problem?.code ?? 'unexpected_answer');
    this.status = status;
    this.errors = problem?.errors ?? [];
    const id = problem?.requestId ?? requestId;
    if (problem) this.problem = problem;
    if (problem?.remedy) this.remedy = problem.remedy;
    if (id) this.requestId = id;
    if (retryAfter !== undefined) this.retryAfter = retryAfter;
  }
}

const wordsOf = (status: number, problem: Problem | undefined): string => {
  if (!problem) return `the answer is a ${status} that is none of Keystore's`;
  const words = problem.detail || problem.title;
  return problem.remedy && !words.includes(problem.remedy) ? `${words} (${problem.remedy})` : words;
};

/** 400, 413, 415 and their kin: the form of the request. */
export class BadRequestError extends ApiError {
  override readonly name = 'BadRequestError';
}

/** 401: no key or session, or one that does not hold. */
export class AuthenticationError extends ApiError {
  override readonly name = 'AuthenticationError';
}

/** 403: the role does not allow this. */
export class PermissionError extends ApiError {
  override readonly name = 'PermissionError';
}

/** 404: no such thing in the organization. */
export class NotFoundError extends ApiError {
  override readonly name = 'NotFoundError';
}

/** 409: a name that is taken, or a state that forbids the change. */
export class ConflictError extends ApiError {
  override readonly name = 'ConflictError';
}

/** 422: fields that are not valid; `errors` says which. */
export class ValidationError extends ApiError {
  override readonly name = 'ValidationError';
}

/** 429: wait for `retryAfter`. */
export class RateLimitError extends ApiError {
  override readonly name = 'RateLimitError';
}

/** 500 and above. */
export class ServerError extends ApiError {
  override readonly name = 'ServerError';
}

const CLASSES: Record<number, typeof ApiError> = {
  400: BadRequestError,
  401: AuthenticationError,
  403: PermissionError,
  404: NotFoundError,
  409: ConflictError,
  413: BadRequestError,
  415: BadRequestError,
  422: ValidationError,
  429: RateLimitError,
};

/** The error that an answer is. Reads the body; one that is no problem of ours is not repeated in any words. */
export const errorOf = async (response: Response): Promise<ApiError> => {
  const { status, headers } = response;
  const Class = CLASSES[status] ?? (status >= 500 ? ServerError : ApiError);
  const problem = await problemOf(response);
  return new Class(status, problem, headers.get('x-request-id') ?? undefined, secondsOf(headers.get('retry-after')));
};

const problemOf = async (response: Response): Promise<Problem | undefined> => {
  if (!response.headers.get('content-type')?.startsWith('application/problem+json')) {
    await response.body?.cancel();
    return undefined;
  }
  try {
    const value = (await response.json()) as Problem;
    return typeof value?.code === 'string' ? value : undefined;
  } catch {
    return undefined;
  }
};

/** `Retry-After` (RFC 9110, 10.2.3): seconds, or a date. */
const secondsOf = (value: string | null): number | undefined => {
  if (value === null) return undefined;
  const seconds = /^\d+$/.test(value) ? Number(value) : (Date.parse(value) - Date.now()) / 1000;
  return Number.isFinite(seconds) ? Math.max(0, seconds) : undefined;
};
