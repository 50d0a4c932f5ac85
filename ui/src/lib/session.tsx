// Who is signed in, and what they may do. Rights are the server's matter: here they only decide what is offered.
import { createContext, useContext } from 'react';
import type { Me } from '@keystore/sdk';

export interface Session {
  readonly me: Me;
  /** Whether the organization is the operator's. */
  readonly operator: boolean;
  /** Reads who is signed in anew. */
  readonly again: () => Promise<void>;
}

export const SessionContext = createContext<Session | undefined>(undefined);

export const useSession = (): Session => {
  const session = useContext(SessionContext);
  if (!session) throw new Error('a page outside of a session');
  return session;
};

/** As the server's table of roles has it (`docs/api.md`). */
const RIGHTS = {
  agents: ['owner', 'admin', 'member'],
  credentials: ['owner', 'admin'],
  budgets: ['owner', 'admin', 'member'],
  audit: ['owner', 'admin', 'viewer'],
  kill: ['owner', 'admin'],
  members: ['owner', 'admin'],
  marketplace: ['owner', 'admin', 'billing'],
  billing: ['owner', 'billing'],
  org: ['owner'],
} as const;

export type Right = keyof typeof RIGHTS;

export const useMay = (right: Right): boolean => (RIGHTS[right] as readonly string[]).includes(useSession().me.role);
