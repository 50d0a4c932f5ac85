// Who is signed in, and what they may do. Rights are the server's matter: here they only decide what is offered.
import { createContext, useContext } from 'react';
import type { Me, Role } from '@keystore/sdk';

export interface Session {
  readonly me: Me;
  /** Whether the organization is the operator's. */
  readonly operator: boolean;
  /** Another person or organization: reads who is signed in anew, and forgets what was read. */
  readonly again: () => Promise<void>;
  /** Reads anew what is said of who is signed in, such as a name that changed. */
  readonly renew: () => Promise<void>;
}

export const SessionContext = createContext<Session | undefined>(undefined);

export const useSession = (): Session => {
  const session = useContext(SessionContext);
  if (!session) throw new Error('a page outside of a session');
  return session;
};

/** As the server's table of roles has it (`docs/api.md`). */
const RIGHTS = {
  /** Agents, tokens, credentials and requests, to look at. */
  see: ['owner', 'admin', 'member', 'viewer'],
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

export const holds = (role: Role, right: Right): boolean => (RIGHTS[right] as readonly Role[]).includes(role);

export const useMay = (right: Right): boolean => holds(useSession().me.role, right);

/** Which roles have no right that the one has not: it may hand them out, and take them away. */
const COVERED: Record<Role, readonly Role[]> = {
  owner: ['viewer', 'billing', 'member', 'admin', 'owner'],
  admin: ['viewer', 'member', 'admin'],
  member: ['member'],
  billing: ['billing'],
  viewer: ['viewer'],
};

export const useCovers = (): ((role: Role) => boolean) => {
  const covered = COVERED[useSession().me.role];
  return (role) => covered.includes(role);
};
