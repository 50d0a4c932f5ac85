// What holds for the whole organization: its names, the state of its keys, what labels allow, what watches agents, and the kill switch.
import { useState } from 'react';
import type { KekStatus, Org, Revocation, RevocationScope, Revoked } from '@keystore/sdk';
import { AbuseRulesCard } from '../components/abuse-rules.tsx';
import { Confirm, Dialog, Form } from '../components/dialog.tsx';
import { SelectField, TextField } from '../components/fields.tsx';
import { LabelRules } from '../components/label-rules.tsx';
import { Ago, Badge, Bar, Button, Card, Empty, Facts, Failed, Named, Page, Skeleton } from '../components/parts.tsx';
import { Table } from '../components/table.tsx';
import { say, sayFailure } from '../components/toasts.tsx';
import { ks } from '../lib/api.ts';
import { count, day } from '../lib/format.ts';
import { useList } from '../lib/list.ts';
import { refresh, useQuery } from '../lib/query.ts';
import { useMay, useSession } from '../lib/session.tsx';
import { SignInSettings } from './sign-in-settings.tsx';

export const Settings = () => (
  <Page title="Settings" about="What holds for the whole organization.">
    <div className="grid-2">
      <Organization />
      <Keys />
    </div>
    <LabelRules />
    <AbuseRulesCard place={{ at: 'org' }} />
    <Stopped />
    <SignInSettings />
  </Page>
);

const Organization = () => {
  const query = useQuery('org', () => ks.org.get());
  const may = useMay('org');
  const [open, setOpen] = useState(false);
  const org = query.data;
  return (
    <Card title="Organization" actions={may && org && <Button small onClick={() => setOpen(true)}>Change</Button>}>
      {query.failure && !org ? (
        <Failed failure={query.failure} again={query.again} />
      ) : !org ? (
        <Skeleton height={120} />
      ) : (
        <Facts
          of={[
            ['Name', <Named name={org.name} />],
            ['In URLs', <span className="mono">{org.slug}</span>],
            ['Time zone', org.timeZone],
            ['Second factor', org.secondFactorRequired ? 'required of members' : 'as members like'],
            ['Events by mail', org.eventMails ? 'to owners and admins' : 'no'],
            ['Since', day(org.createdAt)],
            ['Id', <span className="mono">{org.id}</span>],
          ]}
        />
      )}
      {open && org && <ChangeOrg org={org} onClose={() => setOpen(false)} />}
    </Card>
  );
};

const ChangeOrg = ({ org, onClose }: { org: Org; onClose: () => void }) => {
  const [name, setName] = useState(org.name);
  const [zone, setZone] = useState(org.timeZone);
  const [mails, setMails] = useState(org.eventMails);
  const [factor, setFactor] = useState(org.secondFactorRequired);
  const { renew } = useSession();
  return (
    <Dialog title="Change the organization" onClose={onClose}>
      <Form
        submit="Save"
        disabled={name.trim() === ''}
        onCancel={onClose}
        onSubmit={async () => {
          await ks.org.update({ name: name.trim(), timeZone: zone.trim(), eventMails: mails, secondFactorRequired: factor });
          say('Saved.');
          refresh('org');
          onClose();
          await renew();
        }}
      >
        {(failure) => (
          <>
            <TextField label="Name" required value={name} failure={failure} pointer="/name" onChange={(event) => setName(event.target.value)} />
            <TextField label="Time zone" value={zone} failure={failure} pointer="/timeZone" onChange={(event) => setZone(event.target.value)} hint="Such as Europe/Berlin. Budgets follow it from their next window." />
            <label className="check">
              <input type="checkbox" checked={mails} onChange={(event) => setMails(event.target.checked)} />
              Mail events to owners and admins
            </label>
            <label className="check">
              <input type="checkbox" checked={factor} onChange={(event) => setFactor(event.target.checked)} />
              Require a second factor of every member
            </label>
          </>
        )}
      </Form>
    </Dialog>
  );
};

const GENERATION = { active: 'ok', retiring: 'warn', retired: 'off', destroyed: 'bad' } as const;

const Keys = () => {
  const query = useQuery('kek', () => ks.kek.getStatus(), 5_000);
  const may = useMay('org');
  const [busy, setBusy] = useState<string>();
  const status = query.data;
  const doing = async (name: string, words: string, act: () => Promise<KekStatus>): Promise<void> => {
    setBusy(name);
    try {
      await act();
      say(words);
      refresh('kek');
    } catch (error) {
      sayFailure(error);
    } finally {
      setBusy(undefined);
    }
  };
  return (
    <Card
      title="Keys of the organization"
      actions={
        may &&
        status && (
          <>
            <Button small busy={busy === 'verify'} onClick={() => void doing('verify', 'Every sealed key is being opened, to see that it can be.', () => ks.kek.verify())}>
              Verify
            </Button>
            <Button small busy={busy === 'rotate'} onClick={() => void doing('rotate', 'A new generation is in use; what is sealed under older ones moves to it.', () => ks.kek.rotate())}>
              Rotate
            </Button>
          </>
        )
      }
    >
      {query.failure && !status ? (
        <Failed failure={query.failure} again={query.again} />
      ) : !status ? (
        <Skeleton height={120} />
      ) : (
        <div className="stack">
          <Facts
            of={[
              ...status.generations.map(
                (one) =>
                  [
                    `Generation ${one.generation}`,
                    <span className="row">
                      <Badge tone={GENERATION[one.state] ?? 'off'}>{one.state}</Badge>
                      <span className="quiet">
                        {count(one.credentialVersions)} sealed, since {day(one.createdAt)}
                      </span>
                    </span>,
                  ] as const,
              ),
              ['Held by you', status.customerKey ? <><span className="mono">{status.customerKey.key}</span> <Badge tone={status.customerKey.usable ? 'ok' : 'bad'}>{status.customerKey.usable ? 'usable' : 'not usable'}</Badge></> : 'no: under the deployment’s root key alone'],
              ['A new one', `by itself after ${count(status.maxAgeDays)} days`],
            ]}
          />
          {status.customerKey?.problem && <p className="notice bad">{status.customerKey.problem} {status.customerKey.remedy}</p>}
          {status.job && <Job of={status.job} />}
        </div>
      )}
    </Card>
  );
};

const Job = ({ of }: { of: NonNullable<KekStatus['job']> }) => (
  <div className="stack-small">
    <span>
      {of.step === 'rewrap' ? 'Moving to the newest generation' : 'Opening every sealed key'}: {count(of.done)} of {count(of.total)}
      {of.endedAt ? <> · ended <Ago time={of.endedAt} /></> : ' · runs'}
    </span>
    <Bar spent={String(of.total === 0 ? 1 : of.done)} limit={String(of.total || 1)} label="Progress" share />
    {of.failed > 0 && <p className="notice bad">{count(of.failed)} do not open. {of.problem}</p>}
  </div>
);

const Stopped = () => {
  const may = useMay('kill');
  const list = useList('revocations/list', () => ks.revocations.list({ limit: 50 }), 15_000);
  const [open, setOpen] = useState(false);
  const [lifting, setLifting] = useState<Revocation>();
  const [done, setDone] = useState<Revoked>();
  return (
    <Card
      title="Kill switch"
      flush
      actions={
        may && (
          <Button small kind="danger" onClick={() => setOpen(true)}>
            Stop something
          </Button>
        )
      }
    >
      {done && (
        <p className="card-body" role="status">
          <Badge tone="bad">stopped</Badge> {done.streamsCut === 1 ? 'One running call was cut' : `${count(done.streamsCut)} running calls were cut`}, in {count(done.waitedMs)} ms. Nothing that arrives later is forwarded.
        </p>
      )}
      <Table
        label="What is stopped"
        {...list}
        id={(one) => one.id}
        columns={[
          { title: 'Stopped', lead: true, cell: (one) => `${one.scope} ${one.scope === 'provider' ? one.subject : ''}` },
          { title: 'Since', cell: (one) => <Ago time={one.createdAt} /> },
          { title: 'Why', cell: (one) => <Named name={one.reason || '–'} /> },
          {
            title: 'Acts',
            right: true,
            cell: (one) =>
              may && (
                <Button small onClick={() => setLifting(one)}>
                  Lift
                </Button>
              ),
          },
        ]}
        empty={<Empty title="Nothing is stopped">In an emergency, stop a provider or the whole organization here: running calls are cut, and nothing more is forwarded until it is lifted.</Empty>}
      />
      {open && (
        <Kill
          onClose={() => setOpen(false)}
          onDone={(what) => {
            setDone(what);
            setOpen(false);
          }}
        />
      )}
      {lifting && (
        <Confirm
          title="Lift it"
          submit="Let calls through again"
          onClose={() => setLifting(undefined)}
          onConfirm={async () => {
            await ks.revocations.delete(lifting.id);
            say('Lifted.');
            setDone(undefined);
            setLifting(undefined);
            refresh('revocations/');
          }}
        >
          <p>Agents call again from now on, within their limits.</p>
        </Confirm>
      )}
    </Card>
  );
};

const Kill = ({ onClose, onDone }: { onClose: () => void; onDone: (done: Revoked) => void }) => {
  const org = useQuery('org', () => ks.org.get());
  const [scope, setScope] = useState<Extract<RevocationScope, 'org' | 'provider'>>('provider');
  const [provider, setProvider] = useState('');
  const [reason, setReason] = useState('');
  const [typed, setTyped] = useState('');
  const expected = scope === 'org' ? (org.data?.slug ?? '') : provider.trim();
  return (
    <Dialog title="Stop calls" onClose={onClose}>
      <Form
        submit="Stop"
        danger
        disabled={expected === '' || typed !== expected}
        onCancel={onClose}
        onSubmit={async () => {
          const done = await ks.revocations.create({ scope, ...(scope === 'provider' && { id: expected }), ...(reason.trim() && { reason: reason.trim() }) });
          refresh('revocations/');
          onDone(done);
        }}
      >
        {(failure) => (
          <>
            <SelectField label="What" value={scope} onChange={(event) => setScope(event.target.value as 'org' | 'provider')}>
              <option value="provider">all calls to one provider</option>
              <option value="org">all calls of the organization</option>
            </SelectField>
            {scope === 'provider' && <TextField label="Provider’s slug" placeholder="openai" value={provider} failure={failure} pointer="/id" onChange={(event) => setProvider(event.target.value)} />}
            <TextField label="Why" value={reason} maxLength={500} failure={failure} pointer="/reason" onChange={(event) => setReason(event.target.value)} hint="For whoever reads it later." />
            {expected && <TextField label={`Type ${expected} to confirm`} value={typed} onChange={(event) => setTyped(event.target.value)} />}
          </>
        )}
      </Form>
    </Dialog>
  );
};
