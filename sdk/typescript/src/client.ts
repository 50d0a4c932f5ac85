// The client: one object for both sides, the control API for people and scripts, and the proxy for agents.
import { setupEnv, type EnvironmentOptions } from './agent/environment.js';
import { interceptAll, type InterceptOptions } from './agent/intercept.js';
import { wrap, type WrapOptions } from './agent/wrap.js';
import { configOf, type Config, type KeystoreOptions } from './config.js';
import { ConfigurationError } from './errors.js';
import { OPERATIONS } from './generated/operations.js';
import type { Api } from './generated/resources.js';
import { Transport } from './http.js';
import { methodsOf } from './methods.js';

/** The resources of the control API: `ks.agents`, `ks.tokens`, `ks.operator.pool`, … */
export interface Keystore extends Api {}

/**
 * Keystore from a program.
 *
 * With a management key (`apiKey`) it administers: `ks.<resource>.<verb>()`. With an agent's token (`agentToken`) it lets this
 * program call vendors without a real key: {@link Keystore.wrap}, {@link Keystore.interceptAll}, {@link Keystore.setupEnv}.
 *
 * @example
 * const ks = new Keystore({ apiKey: process.env.KS_API_KEY });
 * const token = await ks.tokens.create({ name: "bot", providers: [{ name: "openai", source: "byok" }] });
 */
export class Keystore {
  readonly #config: Config;

  constructor(options: KeystoreOptions = {}) {
    this.#config = configOf(options);
    Object.assign(this, methodsOf(OPERATIONS, new Transport(this.#config)));
  }

  /** Where the control API is. */
  get apiUrl(): string {
    return this.#config.apiUrl;
  }

  /** Where the proxy is. */
  get proxyUrl(): string {
    return this.#config.proxyUrl;
  }

  /**
   * Points a vendor's own client at the proxy and gives it the token: those of OpenAI (and of vendors that it is pointed at),
   * Anthropic, Google GenAI, Stripe and Resend. Changes the client's address and key, nothing else, and returns the same client.
   *
   * @throws {ConfigurationError} for a client that it does not know.
   */
  wrap<T extends object>(client: T, options: WrapOptions = {}): T {
    return wrap(client, this.#agent('wrap'), options);
  }

  /**
   * From now on, `globalThis.fetch` sends what is meant for a vendor of the catalog through the proxy, with the token. All other
   * requests go out as they did, and the token goes to the proxy alone. Returns what undoes it.
   */
  interceptAll(options: InterceptOptions = {}): () => void {
    return interceptAll(this.#agent('interceptAll'), options);
  }

  /**
   * Sets the variables that vendors' SDKs read to the proxy and the token, and removes real keys, as `ks run` does for a child
   * process. For clients that are made afterwards. Returns what undoes it.
   */
  setupEnv(options: EnvironmentOptions = {}): () => void {
    return setupEnv(this.#agent('setupEnv'), options);
  }

  #agent(method: string): { token: string; proxyUrl: string } {
    const { agentToken, proxyUrl } = this.#config;
    if (!agentToken) {
      throw new ConfigurationError(`\`${method}\` needs an agent's token: \`new Keystore({ agentToken })\`, or the variable KS_TOKEN`);
    }
    return { token: agentToken, proxyUrl };
  }
}
