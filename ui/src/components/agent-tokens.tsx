// The tokens of an agent: made, shown once, rotated with an overlap, revoked.
import { useState } from 'react';
import type { Agent, CreatedToken, Token } from '@keystore/sdk';
import { ks } from '../lib/api.ts';
import { useList } from '../lib/list.ts';
import { refresh } from '../lib/query.ts';
import { Confirm, Dialog, Form } from './dialog.tsx';
import { TextField, wholeNumber } from './fields.tsx';
import { Ago, Button, Card, Empty, Named } from './parts.tsx';
import { TokenBadge } from './status.tsx';
import { Table } from './table.tsx';
import { say } from './toasts.tsx';
import { ShownOnce } from './token.tsx';

export const Tokens = ({ agent, may }: { agent: Agent; may: boolean }) => {
  const list = useList(`tokens/${agent.id}`, () => ks.tokens.list({ agent: agent.id, limit: 20 }), 30_000);
  const [ending, setEnding] = useState<Token>();
  const [rotating, setRotating] = useState<Token>();
  return (
    <Card title="Tokens" flush>
      <Table
        label="Tokens"
        {...list}
        id={(token) => token.id}
        columns={[
          { title: 'Token', lead: true, cell: (token) => <Named name={token.name} /> },
          { title: 'State', cell: (token) => <TokenBadge status={token.status} /> },
          { title: 'Made', cell: (token) => <Ago time={token.createdAt} /> },
          { title: 'Last used', cell: (token) => <Ago time={token.lastUsedAt} /> },
          { title: 'Ends', cell: (token) => (token.expiresAt ? <Ago time={token.expiresAt} /> : <span className="quiet">never</span>) },
          {
            title: 'Acts',
            right: true,
            cell: (token) =>
              may && token.status === 'active' ? (
                <span className="row">
                  <Button small onClick={() => setRotating(token)}>
                    Rotate
                  </Button>
                  <Button small kind="danger" onClick={() => setEnding(token)}>
                    Revoke
                  </Button>
                </span>
              ) : null,
          },
        ]}
        empty={<Empty title="No token">Without a token nobody can call as this agent.</Empty>}
      />
      {ending && (
        <Confirm
          title="Revoke the token"
          submit="Revoke it"
          onClose={() => setEnding(undefined)}
          onConfirm={async () => {
            await ks.tokens.revoke(ending.id);
            say(`The token ${ending.name} is revoked.`);
            setEnding(undefined);
            refresh(`tokens/${agent.id}`);
          }}
        >
          <p>
            The token <Named name={ending.name} /> ends at once and for good. Other tokens of the agent stay.
          </p>
        </Confirm>
      )}
      {rotating && <Rotate token={rotating} agent={agent} onClose={() => setRotating(undefined)} />}
    </Card>
  );
};

const Rotate = ({ token, agent, onClose }: { token: Token; agent: Agent; onClose: () => void }) => {
  const [hours, setHours] = useState('1');
  const [made, setMade] = useState<CreatedToken>();
  const wrong = wholeNumber(hours) === undefined || Number(hours) > 168;
  if (made) return <MadeDialog made={made} onClose={onClose} />;
  return (
    <Dialog title="Rotate the token" onClose={onClose}>
      <Form
        submit="Rotate"
        disabled={wrong}
        onCancel={onClose}
        onSubmit={async (idempotencyKey) => {
          setMade(await ks.tokens.rotate(token.id, { overlapSeconds: Number(hours) * 3600 }, { idempotencyKey }));
          refresh(`tokens/${agent.id}`);
        }}
      >
        {(failure) => (
          <TextField label="The old token still holds for so many hours" inputMode="numeric" value={hours} failure={failure} pointer="/overlapSeconds" onChange={(event) => setHours(event.target.value)} hint={wrong ? 'A whole number, 0 to 168.' : '0 ends it at once.'} />
        )}
      </Form>
    </Dialog>
  );
};

export const NewToken = ({ agent, onClose }: { agent: Agent; onClose: () => void }) => {
  const [name, setName] = useState('');
  const [made, setMade] = useState<CreatedToken>();
  if (made) return <MadeDialog made={made} onClose={onClose} />;
  return (
    <Dialog title="One more token" onClose={onClose}>
      <Form
        submit="Make the token"
        onCancel={onClose}
        onSubmit={async (idempotencyKey) => {
          setMade(await ks.tokens.create({ agentId: agent.id, ...(name.trim() && { name: name.trim() }) }, { idempotencyKey }));
          refresh(`tokens/${agent.id}`);
        }}
      >
        {(failure) => <TextField label="Name" value={name} placeholder="laptop" failure={failure} pointer="/name" onChange={(event) => setName(event.target.value)} hint="All tokens of an agent share its limits." />}
      </Form>
    </Dialog>
  );
};

const MadeDialog = ({ made, onClose }: { made: CreatedToken; onClose: () => void }) => (
  <Dialog title="The new token" onClose={onClose} keep>
    <ShownOnce made={made} />
    <div className="dialog-foot">
      <Button kind="main" onClick={onClose}>
        I have copied it
      </Button>
    </div>
  </Dialog>
);
