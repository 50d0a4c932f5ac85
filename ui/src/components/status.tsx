// States as badges: always a word, never a colour alone.
import type { AgentStatus, CredentialStatus, RequestRecord, TokenStatus } from '@keystore/sdk';
import { words } from '../lib/format.ts';
import { Badge, type Tone } from './parts.tsx';

const AGENT: Record<AgentStatus, Tone> = { active: 'ok', paused: 'warn', revoked: 'bad' };
const TOKEN: Record<TokenStatus, Tone> = { active: 'ok', expired: 'off', revoked: 'bad' };
const CREDENTIAL: Record<CredentialStatus, Tone> = { active: 'ok', untested: 'off', invalid: 'bad', disabled: 'warn' };

export const AgentBadge = ({ status }: { status: AgentStatus }) => <Badge tone={AGENT[status] ?? 'off'}>{status}</Badge>;
export const TokenBadge = ({ status }: { status: TokenStatus }) => <Badge tone={TOKEN[status] ?? 'off'}>{status}</Badge>;
export const CredentialBadge = ({ status }: { status: CredentialStatus }) => <Badge tone={CREDENTIAL[status] ?? 'off'}>{status}</Badge>;

/** How a request went, in one word: our own refusal, how it ended, or the vendor's status. */
export const OutcomeBadge = ({ of }: { of: RequestRecord }) => {
  if (of.code) return <Badge tone="bad">{words(of.code)}</Badge>;
  if (of.ending && of.ending !== 'complete') return <Badge tone="warn">{words(of.ending)}</Badge>;
  return <Badge tone={of.status >= 400 ? 'warn' : 'ok'}>{of.status || 'no answer'}</Badge>;
};
