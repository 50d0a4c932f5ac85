// The rules that watch agents, in one of the three places where they are set. What is set nearer to an agent counts.
import { useState } from 'react';
import type { AbuseAction, AbuseRule, AbuseRules, SetAbuseRule, SetBy, UpdateAbuseRules } from '@keystore/sdk';
import { ks } from '../lib/api.ts';
import { count, money } from '../lib/format.ts';
import { refresh, useQuery } from '../lib/query.ts';
import { useMay } from '../lib/session.tsx';
import { Dialog, Form } from './dialog.tsx';
import { SelectField, TextField } from './fields.tsx';
import { Badge, Button, Card, Facts, Failed, Skeleton, type Tone } from './parts.tsx';
import { say } from './toasts.tsx';

export type Place = { readonly at: SetBy; readonly id?: string };

type Kind = keyof UpdateAbuseRules;

/** What each looks at, and what it is without anybody having set it (`docs/limits.md`). */
const KINDS: readonly { kind: Kind; title: string; unit: string; threshold: string; seconds: number }[] = [
  { kind: 'refusals', title: 'Refused requests', unit: 'requests', threshold: '60', seconds: 60 },
  { kind: 'spendRate', title: 'Spending', unit: 'dollars', threshold: '10.00', seconds: 600 },
  { kind: 'identicalRequests', title: 'The same request again', unit: 'requests', threshold: '30', seconds: 60 },
];

const ACTIONS: Record<AbuseAction, readonly [Tone, string]> = { off: ['off', 'not watched'], alert: ['warn', 'tells'], pause: ['bad', 'tells, and pauses the agent'] };

const PLACES: Record<SetBy, string> = { org: 'for the organization', project: 'for the project', agent: 'for this agent' };

const read = ({ at, id = '' }: Place): Promise<AbuseRules> =>
  ({ org: () => ks.org.getAbuseRules(), project: () => ks.projects.getAbuseRules(id), agent: () => ks.agents.getAbuseRules(id) })[at]();

const write = ({ at, id = '' }: Place, body: UpdateAbuseRules): Promise<AbuseRules> =>
  ({ org: () => ks.org.updateAbuseRules(body), project: () => ks.projects.updateAbuseRules(id, body), agent: () => ks.agents.updateAbuseRules(id, body) })[at]();

const span = (seconds: number): string => (seconds % 60 === 0 ? (seconds === 60 ? 'a minute' : `${seconds / 60} minutes`) : `${seconds} seconds`);

const amount = (kind: Kind, threshold: string): string => (kind === 'spendRate' ? money(threshold) : `${count(Number(threshold))} requests`);

export const AbuseRulesCard = ({ place }: { place: Place }) => {
  const query = useQuery(`abuse/${place.at}/${place.id ?? ''}`, () => read(place));
  const may = useMay('members');
  const [open, setOpen] = useState<Kind>();
  const rules = query.data;
  return (
    <Card title="Rules against abuse">
      {query.failure && !rules ? (
        <Failed failure={query.failure} again={query.again} />
      ) : !rules ? (
        <Skeleton height={112} />
      ) : (
        <Facts
          of={KINDS.map(({ kind, title }) => [
            title,
            <span className="spread">
              <Rule kind={kind} rule={rules[kind] ?? undefined} here={place.at} />
              {may && (
                <Button small onClick={() => setOpen(kind)} aria-label={`Change the rule: ${title}`}>
                  Change
                </Button>
              )}
            </span>,
          ])}
        />
      )}
      {open && rules && <Change place={place} kind={open} now={rules[open] ?? undefined} onClose={() => setOpen(undefined)} />}
    </Card>
  );
};

const Rule = ({ kind, rule, here }: { kind: Kind; rule: AbuseRule | undefined; here: SetBy }) => {
  if (!rule) return <span className="quiet">no rule</span>;
  const [tone, words] = ACTIONS[rule.action];
  return (
    <span className="row">
      <Badge tone={tone}>{words}</Badge>
      {rule.action !== 'off' && (
        <span>
          at {amount(kind, rule.threshold)} in {span(rule.windowSeconds)}
        </span>
      )}
      {rule.setBy !== here && <span className="quiet">set {PLACES[rule.setBy]}</span>}
    </span>
  );
};

type Choice = AbuseAction | 'above';

const Change = ({ place, kind, now, onClose }: { place: Place; kind: Kind; now: AbuseRule | undefined; onClose: () => void }) => {
  const known = KINDS.find((one) => one.kind === kind);
  const [action, setAction] = useState<Choice>(now?.setBy === place.at ? now.action : 'alert');
  const [threshold, setThreshold] = useState(now?.threshold ?? known?.threshold ?? '');
  const [seconds, setSeconds] = useState(String(now?.windowSeconds ?? known?.seconds ?? 60));
  const watched = action === 'alert' || action === 'pause';
  const right = kind === 'spendRate' ? /^\d{1,9}(\.\d{1,9})?$/ : /^[1-9]\d{0,6}$/;
  const wrong = watched && (!right.test(threshold.trim()) || !/^\d{2,4}$/.test(seconds.trim()));
  const rule = (): SetAbuseRule | null => {
    if (action === 'above') return null;
    return watched ? { action, threshold: threshold.trim(), windowSeconds: Number(seconds) } : { action };
  };
  return (
    <Dialog title={known?.title ?? ''} onClose={onClose}>
      <Form
        submit="Save"
        disabled={wrong}
        onCancel={onClose}
        onSubmit={async () => {
          await write(place, { [kind]: rule() });
          say('In force from the next request on.');
          refresh('abuse/');
          onClose();
        }}
      >
        {(failure) => (
          <>
            <SelectField label="When there are too many" value={action} failure={failure} pointer={`/${kind}/action`} onChange={(event) => setAction(event.target.value as Choice)} hint="A paused agent is refused until a person lets it go on.">
              <option value="alert">tell of it</option>
              <option value="pause">tell of it, and pause the agent</option>
              <option value="off">do not watch{place.at === 'org' ? '' : ', whatever is set above'}</option>
              <option value="above">{place.at === 'org' ? 'no rule' : 'no rule here: what is set above counts'}</option>
            </SelectField>
            {watched && (
              <div className="grid-2">
                <TextField label={`Too many ${known?.unit ?? ''}`} inputMode="decimal" value={threshold} failure={failure} pointer={`/${kind}/threshold`} onChange={(event) => setThreshold(event.target.value)} />
                <TextField label="Within so many seconds" inputMode="numeric" value={seconds} failure={failure} pointer={`/${kind}/windowSeconds`} onChange={(event) => setSeconds(event.target.value)} hint="10 to 3,600." />
              </div>
            )}
          </>
        )}
      </Form>
    </Dialog>
  );
};
