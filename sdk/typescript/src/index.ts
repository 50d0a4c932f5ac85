// What the package offers. Everything else in it is its own matter.
export type { EnvironmentOptions } from './agent/environment.js';
export type { InterceptOptions } from './agent/intercept.js';
export type { WrapOptions } from './agent/wrap.js';
export { Keystore, Keystore as default } from './client.js';
export type { KeystoreOptions } from './config.js';
export { Download } from './download.js';
export {
  ApiError,
  AuthenticationError,
  BadRequestError,
  ConfigurationError,
  ConflictError,
  ConnectionError,
  KeystoreError,
  NotFoundError,
  PermissionError,
  RateLimitError,
  ServerError,
  TimeoutError,
  ValidationError,
} from './errors.js';
export type { AnyErrorCode, ClientErrorCode } from './errors.js';
export type { ErrorCode } from './generated/codes.js';
export type * from './generated/resources.js';
export type * from './generated/schemas.js';
export { VERSION } from './generated/version.js';
export type { RequestOptions, StreamOptions, WriteOptions } from './operation.js';
export { Page, Paged } from './paging.js';
export { Subscription } from './sse.js';
