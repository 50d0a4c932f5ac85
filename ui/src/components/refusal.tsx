// Why a call was refused, and where that is changed: for each code the page on which somebody acts.
import type { ErrorCode, RequestRecord } from '@keystore/sdk';
import { ks } from '../lib/api.ts';
import { useQuery } from '../lib/query.ts';
import { to } from '../lib/router.tsx';

interface Help {
  readonly why: string;
  /** What the link says, and where it leads. */
  readonly act?: readonly [string, string];
}

const helpFor = (code: string, { agentId, provider, projectId, model }: RequestRecord, budgetId: string | undefined): Help | undefined => {
  const agent = to(['agents', agentId]);
  const helps: Partial<Record<ErrorCode, Help>> = {
    budget_exceeded: {
      why: 'What is spent, what running calls hold and what this call may cost at most is more than a budget affords.',
      act: budgetId ? ['See the agent’s budget, and raise it', to(['budgets', budgetId])] : ['See the budgets, and raise one', to(['budgets'])],
    },
    insufficient_credit: { why: 'The credit for the marketplace does not afford the call.', act: ['Top up', to(['billing'])] },
    provider_not_granted: { why: `The agent may not use ${provider}.`, act: ['Change what the agent may use', agent] },
    credential_missing: { why: `No key of ${provider} is stored for the grant, or it has ended.`, act: ['Add a key', to(['credentials'], { add: provider })] },
    credential_invalid: { why: `${provider} does not accept the stored key.`, act: ['See the keys, and rotate this one', to(['credentials'])] },
    scope_denied: { why: 'The scopes of the grant do not cover the operation.', act: ['Change what the agent may use', agent] },
    operation_denied: { why: 'The operation makes or shows credentials: it is closed to every agent, and nothing opens it.' },
    model_not_allowed: { why: `${model ?? 'The model'} is not among those that the agent may use.`, act: ['See the agent', agent] },
    address_not_allowed: { why: 'The agent may not be used from the address that the call came from.', act: ['See the agent', agent] },
    end_user_missing: { why: 'The agent must name the end user of each call, in the header x-keystore-end-user.', act: ['See the agent', agent] },
    agent_paused: { why: 'The agent is paused.', act: ['See why, and let it go on', agent] },
    rate_limited: { why: 'The agent, its project or the organization calls more often than it may. The answer said when to try again.', act: ['Change the limits of the agent', agent] },
    org_suspended: { why: 'All calls of the organization are stopped.', act: ['See what is stopped', to(['settings'])] },
    project_suspended: { why: 'The agents of the project are stopped.', act: ['See the project', to(['projects', projectId])] },
    provider_suspended: { why: `All calls to ${provider} are stopped.`, act: ['See what is stopped', to(['settings'])] },
    label_forbids_marketplace: { why: 'A label on the agent, its project or the key forbids the marketplace.', act: ['See what labels allow', to(['settings'])] },
    label_forbids_provider: { why: 'A label forbids the provider, its host or an own key.', act: ['See what labels allow', to(['settings'])] },
    marketplace_not_enabled: { why: `The organization has not enabled ${provider} at the marketplace.`, act: ['Enable it', to(['marketplace'], { search: provider })] },
    unpriced_operation: { why: 'There is no price for it, and a budget applies: nobody could say what it may cost.', act: ['See the budgets', to(['budgets'])] },
    no_pool_credential: { why: 'The marketplace’s pool had no key that could serve.' },
    circuit_open: { why: `${provider} failed so often that calls were held back. They go on by themselves when it answers.`, act: ['See its calls', to(['requests'], { provider })] },
    unknown_provider: { why: `No provider is called ${provider}.`, act: ['See the providers', to(['providers'])] },
    upstream_error: { why: `${provider} gave no valid answer.` },
    upstream_timeout: { why: `${provider} did not answer in time.` },
  };
  return helps[code as ErrorCode];
};

export const RefusalHelp = ({ of }: { of: RequestRecord }) => {
  const agent = useQuery(`agent/${of.agentId}`, () => ks.agents.get(of.agentId));
  const help = of.code ? helpFor(of.code, of, agent.data?.budget?.id) : undefined;
  if (!help) return null;
  return (
    <div className="notice warn spread">
      <span>{help.why}</span>
      {help.act && (
        <a className="button small" href={help.act[1]}>
          {help.act[0]}
        </a>
      )}
    </div>
  );
};
