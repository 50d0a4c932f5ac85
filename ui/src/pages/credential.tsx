// One key: whether it holds, who uses it, and putting another in its place.
import { useState } from 'react';
import type { Credential, CredentialTest, Provider } from '@keystore/sdk';
import { Confirm, Dialog, Form } from '../components/dialog.tsx';
import { Ago, Badge, Button, Card, Empty, Facts, Failed, Named, Page, Skeleton } from '../components/parts.tsx';
import { MoveAgents } from '../components/move-agents.tsx';
import { isComplete, SecretInputs, secretOf, type Typed } from '../components/secret-fields.tsx';
import { AgentBadge, CredentialBadge } from '../components/status.tsx';
import { Table } from '../components/table.tsx';
import { say, sayFailure } from '../components/toasts.tsx';
import { ks } from '../lib/api.ts';
import { count, exactly, words } from '../lib/format.ts';
import { useAllAgents } from '../lib/look-ups.ts';
import { refresh, useQuery } from '../lib/query.ts';
import { go, to } from '../lib/router.tsx';
import { useMay } from '../lib/session.tsx';

export const CredentialPage = ({ id }: { id: string }) => {
  const query = useQuery(`credential/${id}`, () => ks.credentials.get(id));
  const may = useMay('credentials');
  const mayMove = useMay('marketplace');
  const one = query.data;
  const provider = useQuery(`provider/${one?.provider ?? ''}`, async () => (one ? ks.providers.get(one.provider) : undefined));
  const [open, setOpen] = useState<'rotate' | 'delete' | 'move'>();
  const [busy, setBusy] = useState(false);
  const [tested, setTested] = useState<CredentialTest>();
  if (!one) return query.failure ? <Failed failure={query.failure} again={query.again} /> : <Skeleton height={320} />;

  const test = async (): Promise<void> => {
    setBusy(true);
    try {
      setTested(await ks.credentials.test(id));
      refresh(`credential/${id}`, 'credentials/');
    } catch (error) {
      sayFailure(error);
    } finally {
      setBusy(false);
    }
  };
  return (
    <Page
      title={
        <span className="row">
          {one.provider} <CredentialBadge status={one.status} />
        </span>
      }
      about={
        <>
          <Named name={one.name} /> · <span className="mono">{one.id}</span>
        </>
      }
      actions={
        may && (
          <>
            {provider.data?.testable && (
              <Button onClick={() => void test()} busy={busy}>
                {busy ? 'Asking the vendor …' : 'Test'}
              </Button>
            )}
            <Button onClick={() => setOpen('rotate')}>Rotate</Button>
            {mayMove && <Button onClick={() => setOpen('move')}>Move agents to it</Button>}
            <Button kind="danger" onClick={() => setOpen('delete')}>
              Delete
            </Button>
          </>
        )
      }
    >
      {tested && <Found test={tested} />}
      {one.resealNeeded && <Reseal one={one} may={may} />}
      <div className="grid-2">
        <Card title="What is known of it">
          <Facts
            of={[
              ['Version', one.version],
              ['Added', exactly(one.createdAt)],
              ['Changed', exactly(one.updatedAt)],
              ['Last used', <Ago time={one.lastUsedAt} />],
              ['Last tested', <Ago time={one.testedAt} />],
              ['The vendor ends it', one.expiresAt ? exactly(one.expiresAt) : 'not known'],
              ['To be rotated', one.rotateAfter ? exactly(one.rotateAfter) : 'no date set'],
              ['Base URL', <span className="mono">{one.baseUrl ?? provider.data?.baseUrl ?? '–'}</span>],
              ['Labels', one.labels.join(', ') || 'none'],
              ['Agreements', Object.entries(one.agreements).map(([kind, { date }]) => `${kind} of ${date}`).join(', ') || 'none on record'],
            ]}
          />
        </Card>
        <Card title="The vendor’s own limits">
          <VendorLimits one={one} />
        </Card>
      </div>
      <Users id={id} />
      {open === 'rotate' && provider.data && <Rotate one={one} provider={provider.data} onClose={() => setOpen(undefined)} />}
      {open === 'move' && <MoveAgents provider={one.provider} to="byok" credential={id} onClose={() => setOpen(undefined)} />}
      {open === 'delete' && (
        <Confirm
          title="Delete the key"
          submit="Delete it"
          typed={one.provider}
          onClose={() => setOpen(undefined)}
          onConfirm={async () => {
            await ks.credentials.delete(id, { force: false });
            say(`The key of ${one.provider} is gone.`);
            refresh('credentials/', 'agents/');
            go(to(['credentials']));
          }}
        >
          <p>It cannot be brought back. While an agent is granted it, the server refuses to delete it and says which.</p>
        </Confirm>
      )}
    </Page>
  );
};

const Found = ({ test }: { test: CredentialTest }) => (
  <div className={`notice ${{ valid: 'ok', invalid: 'bad', unknown: 'warn' }[test.verdict]}`} role="status">
    <strong>{{ valid: 'The vendor takes the key.', invalid: 'The vendor refuses the key.', unknown: 'It is not known whether the key holds.' }[test.verdict]}</strong> {test.detail}
    {test.latencyMs != null && <span className="quiet"> ({test.latencyMs} ms{test.upstreamStatus ? `, status ${test.upstreamStatus}` : ''})</span>}
  </div>
);

const Reseal = ({ one, may }: { one: Credential; may: boolean }) => {
  const [busy, setBusy] = useState(false);
  const reseal = async (): Promise<void> => {
    setBusy(true);
    try {
      await ks.credentials.reseal(one.id);
      say('Sealed for the provider as it is described now.');
      refresh(`credential/${one.id}`, 'credentials/');
    } catch (error) {
      sayFailure(error);
    } finally {
      setBusy(false);
    }
  };
  return (
    <div className="notice warn spread">
      <span>The provider’s hosts, or the place of the key in requests, have changed since it was sealed. Until it is resealed, the old ones are in force.</span>
      {may && (
        <Button small onClick={() => void reseal()} busy={busy}>
          Reseal
        </Button>
      )}
    </div>
  );
};

const VendorLimits = ({ one }: { one: Credential }) => {
  const limits = one.upstreamLimits ?? [];
  if (limits.length === 0) return <p className="quiet">The vendor’s answers have said nothing of limits yet.</p>;
  return (
    <Facts
      of={limits.map((limit) => [
        words(limit.subject),
        <>
          {limit.remaining == null ? '?' : count(limit.remaining)} of {limit.limit == null ? '?' : count(limit.limit)} left <span className="quiet">as of <Ago time={limit.observedAt} /></span>
        </>,
      ])}
    />
  );
};

const Users = ({ id }: { id: string }) => {
  const mayCreate = useMay('agents');
  const agents = useAllAgents();
  const rows = agents.data?.data.filter((agent) => agent.providers.some((grant) => grant.credentialId === id));
  return (
    <Card title="Agents that use it" flush>
      <Table
        label="Agents that use it"
        rows={rows}
        failure={agents.failure}
        again={agents.again}
        id={(agent) => agent.id}
        href={(agent) => to(['agents', agent.id])}
        columns={[
          { title: 'Agent', lead: true, cell: (agent) => <Named name={agent.name} /> },
          { title: 'State', cell: (agent) => <AgentBadge status={agent.status} /> },
        ]}
        empty={
          <Empty title="No agent uses it" actions={mayCreate && <a className="button" href={to(['agents', 'new'])}>Create an agent</a>}>
            An agent that is granted the provider gets the only key of it, or the one named “default”.
          </Empty>
        }
      />
      {agents.data?.cut && <p className="card-body quiet">Looked at the first {count(agents.data.data.length)} agents.</p>}
    </Card>
  );
};

const Rotate = ({ one, provider, onClose }: { one: Credential; provider: Provider; onClose: () => void }) => {
  const [typed, setTyped] = useState<Typed>({});
  const [verify, setVerify] = useState(true);
  return (
    <Dialog title="Put a new key in its place" onClose={onClose}>
      <Form
        submit={provider.testable && verify ? 'Verify and rotate' : 'Rotate'}
        disabled={!isComplete(provider, typed)}
        onCancel={onClose}
        onSubmit={async () => {
          const next = await ks.credentials.rotate(one.id, { secret: secretOf(provider, typed) }, { verify: provider.testable && verify });
          setTyped({});
          say(`Version ${next.version} is in use. Calls that run finish on the old one.`);
          refresh(`credential/${one.id}`, 'credentials/');
          onClose();
        }}
      >
        {(failure) => (
          <>
            <SecretInputs provider={provider} typed={typed} onChange={setTyped} failure={failure} />
            {provider.testable && (
              <label className="check">
                <input type="checkbox" checked={verify} onChange={(event) => setVerify(event.target.checked)} />
                Ask {provider.name} whether the key holds, before it is stored
              </label>
            )}
            <p className="quiet">
              <Badge tone="plain">version {one.version}</Badge> stays in use until the new one is stored. Revoke the old key at the vendor afterwards.
            </p>
          </>
        )}
      </Form>
    </Dialog>
  );
};
