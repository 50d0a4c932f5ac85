// What an agent may use and from whose key, and changing that.
import { useState } from 'react';
import type { Agent } from '@keystore/sdk';
import { ks } from '../lib/api.ts';
import { money } from '../lib/format.ts';
import { refresh } from '../lib/query.ts';
import { to } from '../lib/router.tsx';
import { useMay } from '../lib/session.tsx';
import { Dialog, Form } from './dialog.tsx';
import { Badge, Button, Card } from './parts.tsx';
import { grantOf, isWrong, pickedOf, ProviderPicker, type Picked } from './provider-picker.tsx';
import { say } from './toasts.tsx';

export const GrantsCard = ({ agent, may }: { agent: Agent; may: boolean }) => {
  const [open, setOpen] = useState(false);
  return (
    <Card
      title="May use"
      actions={
        may && (
          <Button small onClick={() => setOpen(true)}>
            Change what it may use
          </Button>
        )
      }
    >
      <Grants agent={agent} />
      {open && <ChangeGrants agent={agent} onClose={() => setOpen(false)} />}
    </Card>
  );
};

const ChangeGrants = ({ agent, onClose }: { agent: Agent; onClose: () => void }) => {
  const [picked, setPicked] = useState<readonly Picked[]>(agent.providers.map(pickedOf));
  return (
    <Dialog title="What it may use" onClose={onClose}>
      <Form
        submit="Save"
        disabled={picked.some(isWrong)}
        onCancel={onClose}
        onSubmit={async () => {
          await ks.agents.update(agent.id, { providers: picked.map(grantOf) });
          say('In force from the next request on, with the tokens that it has.');
          refresh(`agent/${agent.id}`, 'agents/');
          onClose();
        }}
      >
        {() => <ProviderPicker project={agent.projectId} picked={picked} onChange={setPicked} />}
      </Form>
    </Dialog>
  );
};

const Grants = ({ agent }: { agent: Agent }) => {
  const mayAdd = useMay('credentials');
  return (
    <ul className="bars">
      {agent.providers.map((grant) => (
        <li key={grant.name}>
          <div>
            <strong>{grant.name}</strong>
            <span className="row">
              <Badge tone="accent">{grant.source === 'byok' ? 'own key' : 'marketplace'}</Badge>
              {grant.fallback && <Badge tone="plain">then marketplace, up to {money((grant.fallback.budgetCentsMonthly / 100).toFixed(2))} a month</Badge>}
            </span>
            {grant.scopes.length > 0 && <span className="quiet mono break">{grant.scopes.join(', ')}</span>}
            {grant.source === 'byok' && !grant.credentialId && (
              <span>
                <Badge tone="warn">no key stored</Badge> {mayAdd && <a href={to(['credentials'], { add: grant.name })}>Add one</a>}
              </span>
            )}
          </div>
        </li>
      ))}
      {agent.providers.length === 0 && <li className="quiet">Nothing: every request is refused.</li>}
    </ul>
  );
};
