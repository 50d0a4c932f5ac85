// Who may do what: people, invitations that are open, and management keys of programs.
import { useState } from 'react';
import type { ApiKey, CreatedApiKey, Invitation, Member, Role } from '@keystore/sdk';
import { Confirm, Dialog, Form } from '../components/dialog.tsx';
import { SelectField, TextField } from '../components/fields.tsx';
import { Ago, Badge, Button, Card, Copy, Empty, Failed, Named, Page } from '../components/parts.tsx';
import { Table } from '../components/table.tsx';
import { say } from '../components/toasts.tsx';
import { ks } from '../lib/api.ts';
import { useList } from '../lib/list.ts';
import { refresh } from '../lib/query.ts';
import { useCovers, useMay, useSession } from '../lib/session.tsx';

const ROLES: readonly (readonly [Role, string])[] = [
  ['viewer', 'sees, and changes nothing'],
  ['billing', 'usage, budgets, marketplace and invoices'],
  ['member', 'agents, tokens and budgets'],
  ['admin', 'that, and keys, people and the kill switch'],
  ['owner', 'everything'],
];

type Open =
  | { act: 'invite' | 'key' }
  | { act: 'role' | 'remove'; member: Member }
  | { act: 'withdraw'; invitation: Invitation }
  | { act: 'end'; key: ApiKey }
  | undefined;

export const Members = () => {
  const { me } = useSession();
  const may = useMay('members');
  const covers = useCovers();
  const people = useList('members/list', () => ks.members.list({ limit: 50 }));
  const [open, setOpen] = useState<Open>();
  const close = (): void => setOpen(undefined);
  return (
    <Page title="Members and keys" about="Nobody can give more than they hold. When somebody goes, what they handed out goes with them.">
      <Card title="Members" flush actions={may && <Button small onClick={() => setOpen({ act: 'invite' })}>Invite</Button>}>
        <Table
          label="Members"
          {...people}
          id={(one) => one.userId}
          columns={[
            { title: 'Member', lead: true, cell: (one) => <Named name={one.name} /> },
            { title: 'E-mail', cell: (one) => <Named name={one.email} /> },
            { title: 'Role', cell: (one) => <Badge tone="accent">{one.role}</Badge> },
            { title: 'Since', cell: (one) => <Ago time={one.createdAt} /> },
            {
              title: 'Acts',
              right: true,
              cell: (one) =>
                may && one.role !== 'owner' && covers(one.role) && one.userId !== me.user?.id ? (
                  <span className="row">
                    <Button small onClick={() => setOpen({ act: 'role', member: one })}>
                      Change role
                    </Button>
                    <Button small kind="danger" onClick={() => setOpen({ act: 'remove', member: one })}>
                      Remove
                    </Button>
                  </span>
                ) : null,
            },
          ]}
          empty={<Empty title="Nobody">An organization has an owner.</Empty>}
        />
      </Card>
      {may && <Invitations onWithdraw={(invitation) => setOpen({ act: 'withdraw', invitation })} />}
      {may && <Keys onCreate={() => setOpen({ act: 'key' })} onEnd={(key) => setOpen({ act: 'end', key })} />}
      {open?.act === 'invite' && <Invite onClose={close} />}
      {open?.act === 'key' && <NewKey onClose={close} />}
      {open?.act === 'role' && <ChangeRole member={open.member} onClose={close} />}
      {open?.act === 'remove' && (
        <Confirm
          title="Remove the member"
          submit="Remove"
          typed={open.member.email}
          onClose={close}
          onConfirm={async () => {
            const gone = await ks.members.remove(open.member.userId);
            say(`${open.member.name} is out. ${gone.revokedApiKeys.length} keys were revoked and ${gone.withdrawnInvitations.length} invitations withdrawn with them.`);
            refresh('members/', 'invitations/', 'api-keys/');
            close();
          }}
        >
          <p>Their sessions end, and the management keys and invitations that they answer for go with them. Agents stay.</p>
        </Confirm>
      )}
      {open?.act === 'withdraw' && (
        <Confirm
          title="Withdraw the invitation"
          submit="Withdraw"
          onClose={close}
          onConfirm={async () => {
            await ks.invitations.delete(open.invitation.id);
            refresh('invitations/');
            close();
          }}
        >
          <p>
            The link that <Named name={open.invitation.email} /> got is good for nothing then.
          </p>
        </Confirm>
      )}
      {open?.act === 'end' && (
        <Confirm
          title="Revoke the management key"
          submit="Revoke"
          typed={open.key.name}
          onClose={close}
          onConfirm={async () => {
            await ks.apiKeys.delete(open.key.id);
            say(`The key ${open.key.name} is revoked.`);
            refresh('api-keys/');
            close();
          }}
        >
          <p>Programs that use it are refused at once.</p>
        </Confirm>
      )}
    </Page>
  );
};

const Invitations = ({ onWithdraw }: { onWithdraw: (invitation: Invitation) => void }) => {
  const covers = useCovers();
  const list = useList('invitations/list', () => ks.invitations.list({ limit: 50 }));
  if (!list.rows?.length && !list.failure) return null;
  return (
    <Card title="Open invitations" flush>
      <Table
        label="Open invitations"
        {...list}
        id={(one) => one.id}
        columns={[
          { title: 'E-mail', lead: true, cell: (one) => <Named name={one.email} /> },
          { title: 'Role', cell: (one) => <Badge tone="accent">{one.role}</Badge> },
          { title: 'Ends', cell: (one) => <Ago time={one.expiresAt} /> },
          {
            title: 'Acts',
            right: true,
            cell: (one) =>
              covers(one.role) && (
                <Button small kind="danger" onClick={() => onWithdraw(one)}>
                  Withdraw
                </Button>
              ),
          },
        ]}
        empty={null}
      />
    </Card>
  );
};

const KEY_STATES = { active: 'ok', expired: 'off', revoked: 'bad' } as const;

const stateOf = ({ revokedAt, expiresAt }: ApiKey): keyof typeof KEY_STATES => (revokedAt ? 'revoked' : expiresAt && Date.parse(expiresAt) <= Date.now() ? 'expired' : 'active');

const Keys = ({ onCreate, onEnd }: { onCreate: () => void; onEnd: (key: ApiKey) => void }) => {
  const covers = useCovers();
  const list = useList('api-keys/list', () => ks.apiKeys.list({ limit: 50 }));
  return (
    <Card title="Management keys" flush actions={<Button small onClick={onCreate}>Make a key</Button>}>
      <Table
        label="Management keys"
        {...list}
        id={(one) => one.id}
        columns={[
          { title: 'Key', lead: true, cell: (one) => <Named name={one.name} /> },
          { title: 'Role', cell: (one) => <Badge tone="accent">{one.role}</Badge> },
          { title: 'State', cell: (one) => <Badge tone={KEY_STATES[stateOf(one)]}>{stateOf(one)}</Badge> },
          { title: 'Last used', cell: (one) => <Ago time={one.lastUsedAt} /> },
          { title: 'Ends', cell: (one) => (one.expiresAt ? <Ago time={one.expiresAt} /> : <span className="quiet">never</span>) },
          {
            title: 'Acts',
            right: true,
            cell: (one) =>
              !one.revokedAt && covers(one.role) && (
                <Button small kind="danger" onClick={() => onEnd(one)}>
                  Revoke
                </Button>
              ),
          },
        ]}
        empty={<Empty title="No management key">Programs, CI and the SDKs use the API with a key that has a role and an end.</Empty>}
      />
    </Card>
  );
};

const RoleField = ({ role, onChange }: { role: Role; onChange: (role: Role) => void }) => {
  const covers = useCovers();
  return (
    <SelectField label="Role" value={role} onChange={(event) => onChange(event.target.value as Role)}>
      {ROLES.filter(([one]) => one !== 'owner' && covers(one)).map(([one, words]) => (
        <option key={one} value={one}>
          {one}: {words}
        </option>
      ))}
    </SelectField>
  );
};

const Invite = ({ onClose }: { onClose: () => void }) => {
  const [email, setEmail] = useState('');
  const [role, setRole] = useState<Role>('member');
  return (
    <Dialog title="Invite somebody" onClose={onClose}>
      <Form
        submit="Send the link"
        onCancel={onClose}
        onSubmit={async (idempotencyKey) => {
          await ks.invitations.create({ email: email.trim(), role }, { idempotencyKey });
          say(`The link is on its way to ${email.trim()}. It is good for seven days.`);
          refresh('invitations/');
          onClose();
        }}
      >
        {(failure) => (
          <>
            <TextField label="E-mail" type="email" required autoFocus value={email} failure={failure} pointer="/email" onChange={(event) => setEmail(event.target.value)} />
            <RoleField role={role} onChange={setRole} />
          </>
        )}
      </Form>
    </Dialog>
  );
};

const ChangeRole = ({ member, onClose }: { member: Member; onClose: () => void }) => {
  const [role, setRole] = useState(member.role);
  return (
    <Dialog title="Change the role" onClose={onClose}>
      <Form
        submit="Save"
        onCancel={onClose}
        onSubmit={async () => {
          await ks.members.update(member.userId, { role });
          say(`${member.name} is ${role} now.`);
          refresh('members/', 'api-keys/', 'invitations/');
          onClose();
        }}
      >
        {() => (
          <>
            <p>
              <Named name={member.name} />, <Named name={member.email} />. With fewer rights, the keys that could do more are revoked.
            </p>
            <RoleField role={role} onChange={setRole} />
          </>
        )}
      </Form>
    </Dialog>
  );
};

const DAYS = ['7', '30', '90', '365', ''] as const;

const NewKey = ({ onClose }: { onClose: () => void }) => {
  const [name, setName] = useState('');
  const [role, setRole] = useState<Role>('viewer');
  const [days, setDays] = useState<string>('90');
  // Sent again, it is the same request: it must say the same end.
  const [opened] = useState(() => Date.now());
  const [made, setMade] = useState<CreatedApiKey>();
  if (made) {
    return (
      <Dialog title="The management key" onClose={onClose} keep>
        {made.key ? (
          <div className="notice ok stack-small">
            <p>
              <strong>It is shown this once: copy it now.</strong>
            </p>
            <code className="break">{made.key}</code>
            <div>
              <Copy text={made.key} label="Copy the key" />
            </div>
          </div>
        ) : (
          <Failed failure={{ words: 'The key was shown by an earlier answer to the same request.', code: 'secret_shown', fields: [], ...(made.remedy && { remedy: made.remedy }) }} />
        )}
        <div className="dialog-foot">
          <Button kind="main" onClick={onClose}>
            I have copied it
          </Button>
        </div>
      </Dialog>
    );
  }
  return (
    <Dialog title="Make a management key" onClose={onClose}>
      <Form
        submit="Make the key"
        disabled={name.trim() === ''}
        onCancel={onClose}
        onSubmit={async (idempotencyKey) => {
          const expiresAt = days ? new Date(opened + Number(days) * 86_400_000).toISOString() : undefined;
          setMade(await ks.apiKeys.create({ name: name.trim(), role, ...(expiresAt && { expiresAt }) }, { idempotencyKey }));
          refresh('api-keys/');
        }}
      >
        {(failure) => (
          <>
            <TextField label="Name" required autoFocus placeholder="ci" value={name} failure={failure} pointer="/name" onChange={(event) => setName(event.target.value)} />
            <RoleField role={role} onChange={setRole} />
            <SelectField label="Ends" value={days} onChange={(event) => setDays(event.target.value)}>
              {DAYS.map((one) => (
                <option key={one} value={one}>
                  {one ? `in ${one} days` : 'never'}
                </option>
              ))}
            </SelectField>
          </>
        )}
      </Form>
    </Dialog>
  );
};
