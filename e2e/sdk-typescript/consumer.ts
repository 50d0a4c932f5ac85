// Compiled under `strict`, as an ES module and as CommonJS: what the types say, and what they refuse.
import {
  ConfigurationError,
  Keystore,
  KeystoreError,
  RateLimitError,
  type Agent,
  type CreatedToken,
  type Download,
  type ErrorCode,
  type Invoice,
  type KeystoreOptions,
  type Page,
  type Paged,
  type RequestRecord,
} from '@keystore/sdk';

type Same<A, B> = (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false;
const is = <T extends true>(_?: T): void => {};

const options: KeystoreOptions = { apiKey: process.env['KS_API_KEY'], timeout: 1000, maxRetries: 0 };

export const administer = async (): Promise<void> => {
  const ks = new Keystore(options);
  const token = await ks.tokens.create({
    name: 'production-agent',
    providers: [
      { name: 'openai', source: 'byok' },
      { name: 'tavily', source: 'marketplace' },
    ],
  });
  is<Same<typeof token, CreatedToken>>();
  is<Same<typeof token.token, string | null | undefined>>();

  const list = ks.agents.list({ limit: 10 });
  is<Same<typeof list, Paged<Agent>>>();
  for await (const agent of list) is<Same<typeof agent.status, 'active' | 'paused' | 'revoked'>>();
  const page = await list;
  is<Same<typeof page, Page<Agent>>>();
  for await (const request of ks.requests.stream({ refused: true })) is<Same<typeof request, RequestRecord>>();

  const invoice = await ks.billing.getInvoice('KS-2026-000001');
  is<Same<typeof invoice, Invoice>>();
  const pdf = await ks.billing.getInvoice('KS-2026-000001', { format: 'pdf', signal: AbortSignal.timeout(1000) });
  is<Same<typeof pdf, Download>>();
  const nothing = await ks.agents.delete('bot');
  is<Same<typeof nothing, void>>();
  await ks.credentials.create({ provider: 'openai', secret: { key: 'sk-…' } }, { verify: true, idempotencyKey: 'once' });
  await ks.operator.pool.list();
  await ks.agents.update('bot', { rpmLimit: null, labels: undefined });
  await ks.tokens.rotate('tok_1');

  // @ts-expect-error: a source that there is not
  await ks.tokens.create({ name: 'a', providers: [{ name: 'openai', source: 'mine' }] });
  // @ts-expect-error: a member that there is not
  await ks.agents.create({ name: 'a', rpm: 1 });
  // @ts-expect-error: a name is needed
  await ks.agents.create({});
  // @ts-expect-error: an id is needed
  await ks.agents.get();
  // @ts-expect-error: what is not a POST takes no key
  await ks.agents.update('a', {}, { idempotencyKey: 'x' });
  // @ts-expect-error: an invoice has no such form
  await ks.billing.getInvoice('a', { format: 'docx' });
  // @ts-expect-error: a customer is needed
  await ks.operator.getTerms({});
  // @ts-expect-error: resources are not for writing
  ks.agents = ks.agents;
};

export const failure = (error: unknown): string => {
  if (error instanceof RateLimitError) return `${error.status} ${error.retryAfter ?? 0}`;
  if (error instanceof ConfigurationError) return error.message;
  if (!(error instanceof KeystoreError)) throw error;
  const known: ErrorCode = 'budget_exceeded';
  if (error.code === known || error.code === 'timeout' || error.code === 'a_code_of_tomorrow') return error.remedy ?? error.message;
  return error.errors.map(({ pointer, detail }) => `${pointer}: ${detail}`).join() + (error.requestId ?? '');
};

export const act = (): void => {
  const ks = new Keystore({ agentToken: process.env['KS_TOKEN'] });
  class Client {
    own = 1;
  }
  const client = ks.wrap(new Client(), { provider: 'openai' });
  is<Same<typeof client, Client>>();
  const undo: () => void = ks.interceptAll({ providers: ['openai'], hosts: { 'llm.example.com': 'mine' } });
  undo();
  ks.setupEnv({ env: {} })();
  // @ts-expect-error: a text is no client
  ks.wrap('text');
};
