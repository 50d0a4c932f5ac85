// Every page: its address, its name, who is offered it, and the file that is fetched when it is first opened.
import { lazy, type ReactNode } from 'react';
import type { IconName } from './components/icons.tsx';
import { Page } from './components/parts.tsx';
import type { Route } from './lib/router.tsx';
import { holds, type Session } from './lib/session.tsx';
import { Overview } from './pages/overview.tsx';

const Agents = lazy(async () => ({ default: (await import('./pages/agents.tsx')).Agents }));
const NewAgent = lazy(async () => ({ default: (await import('./pages/new-agent.tsx')).NewAgent }));
const AgentPage = lazy(async () => ({ default: (await import('./pages/agent.tsx')).AgentPage }));
const Credentials = lazy(async () => ({ default: (await import('./pages/credentials.tsx')).Credentials }));
const CredentialPage = lazy(async () => ({ default: (await import('./pages/credential.tsx')).CredentialPage }));
const Requests = lazy(async () => ({ default: (await import('./pages/requests.tsx')).Requests }));
const RequestPage = lazy(async () => ({ default: (await import('./pages/request.tsx')).RequestPage }));
const Budgets = lazy(async () => ({ default: (await import('./pages/budgets.tsx')).Budgets }));
const BudgetPage = lazy(async () => ({ default: (await import('./pages/budget.tsx')).BudgetPage }));
const AccessRequests = lazy(async () => ({ default: (await import('./pages/access.tsx')).AccessRequests }));
const AccessRequestPage = lazy(async () => ({ default: (await import('./pages/access.tsx')).AccessRequestPage }));
const Projects = lazy(async () => ({ default: (await import('./pages/projects.tsx')).Projects }));
const ProjectPage = lazy(async () => ({ default: (await import('./pages/projects.tsx')).ProjectPage }));
const Providers = lazy(async () => ({ default: (await import('./pages/providers.tsx')).Providers }));
const ProviderPage = lazy(async () => ({ default: (await import('./pages/providers.tsx')).ProviderPage }));
const Events = lazy(async () => ({ default: (await import('./pages/events.tsx')).Events }));
const Audit = lazy(async () => ({ default: (await import('./pages/audit.tsx')).Audit }));
const Marketplace = lazy(async () => ({ default: (await import('./pages/marketplace.tsx')).Marketplace }));
const Billing = lazy(async () => ({ default: (await import('./pages/billing.tsx')).Billing }));
const Members = lazy(async () => ({ default: (await import('./pages/members.tsx')).Members }));
const Settings = lazy(async () => ({ default: (await import('./pages/settings.tsx')).Settings }));
const Webhooks = lazy(async () => ({ default: (await import('./pages/webhooks.tsx')).Webhooks }));
const WebhookPage = lazy(async () => ({ default: (await import('./pages/webhooks.tsx')).WebhookPage }));
const PooledKey = lazy(async () => ({ default: (await import('./pages/pooled-key.tsx')).PooledKey }));
const CustomerPage = lazy(async () => ({ default: (await import('./pages/customer.tsx')).CustomerPage }));
const Operator = lazy(async () => ({ default: (await import('./pages/operator.tsx')).Operator }));

export interface Entry {
  readonly path: string;
  readonly title: string;
  readonly icon: IconName;
  /** The key behind `g`. */
  readonly key: string;
  readonly group: 'work' | 'rules' | 'house';
  readonly offered?: (session: Session) => boolean;
  readonly page: (route: Route) => ReactNode;
}

const sees = ({ me }: Session): boolean => holds(me.role, 'see');

export const ENTRIES: readonly Entry[] = [
  { path: '', title: 'Overview', icon: 'overview', key: 'o', group: 'work', page: () => <Overview /> },
  {
    path: 'agents',
    title: 'Agents',
    icon: 'agents',
    key: 'a',
    group: 'work',
    offered: sees,
    page: ({ parts: [, id] }) => (id === 'new' ? <NewAgent /> : id ? <AgentPage id={id} /> : <Agents />),
  },
  {
    path: 'credentials',
    title: 'Credentials',
    icon: 'credentials',
    key: 'c',
    group: 'work',
    offered: sees,
    page: ({ parts: [, id] }) => (id ? <CredentialPage id={id} /> : <Credentials />),
  },
  {
    path: 'requests',
    title: 'Requests',
    icon: 'requests',
    key: 'r',
    group: 'work',
    offered: sees,
    page: ({ parts: [, id] }) => (id ? <RequestPage id={id} /> : <Requests />),
  },
  {
    path: 'access',
    title: 'Access requests',
    icon: 'access',
    key: 'q',
    group: 'work',
    offered: sees,
    page: ({ parts: [, id] }) => (id ? <AccessRequestPage id={id} /> : <AccessRequests />),
  },
  { path: 'events', title: 'Events', icon: 'events', key: 'e', group: 'work', page: () => <Events /> },
  {
    path: 'projects',
    title: 'Projects',
    icon: 'projects',
    key: 'j',
    group: 'rules',
    page: ({ parts: [, id] }) => (id ? <ProjectPage id={id} /> : <Projects />),
  },
  {
    path: 'budgets',
    title: 'Budgets',
    icon: 'budgets',
    key: 'b',
    group: 'rules',
    page: ({ parts: [, id] }) => (id ? <BudgetPage id={id} /> : <Budgets />),
  },
  {
    path: 'providers',
    title: 'Providers',
    icon: 'providers',
    key: 'v',
    group: 'rules',
    page: ({ parts: [, slug] }) => (slug ? <ProviderPage slug={slug} /> : <Providers />),
  },
  { path: 'audit', title: 'Audit', icon: 'audit', key: 'l', group: 'rules', offered: ({ me }) => holds(me.role, 'audit'), page: () => <Audit /> },
  { path: 'marketplace', title: 'Marketplace', icon: 'marketplace', key: 'm', group: 'rules', page: () => <Marketplace /> },
  { path: 'billing', title: 'Billing', icon: 'billing', key: 'i', group: 'house', offered: ({ me }) => holds(me.role, 'billing'), page: () => <Billing /> },
  { path: 'members', title: 'Members and keys', icon: 'people', key: 'p', group: 'house', offered: ({ me }) => holds(me.role, 'members'), page: () => <Members /> },
  {
    path: 'webhooks',
    title: 'Webhooks',
    icon: 'webhooks',
    key: 'w',
    group: 'house',
    offered: ({ me }) => holds(me.role, 'members'),
    page: ({ parts: [, id] }) => (id ? <WebhookPage id={id} /> : <Webhooks />),
  },
  { path: 'settings', title: 'Settings', icon: 'settings', key: 's', group: 'house', page: () => <Settings /> },
  { path: 'operator', title: 'Operator', icon: 'operator', key: 'x', group: 'house', offered: ({ operator }) => operator, page: ({ parts: [, of, id] }) => (of === 'pool' && id ? <PooledKey id={id} /> : of === 'customers' && id ? <CustomerPage id={id} /> : <Operator />) },
];

export const pageOf = (route: Route, session: Session): { title: string; body: ReactNode } => {
  const entry = ENTRIES.find(({ path }) => path === (route.parts[0] ?? ''));
  if (!entry || entry.offered?.(session) === false) {
    return {
      title: 'No such page',
      body: (
        <Page title="There is no such page" about="The address names nothing that your role can see.">
          <div>
            <a className="button" href="#/">
              Go to the overview
            </a>
          </div>
        </Page>
      ),
    };
  }
  return { title: entry.title, body: entry.page(route) };
};
