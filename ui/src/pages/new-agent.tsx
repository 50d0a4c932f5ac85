// One form for an agent: what it may use and from whose key, how often, and for how much. Ends with its token.
import { useState } from 'react';
import type { CreatedToken } from '@keystore/sdk';
import { Form } from '../components/dialog.tsx';
import { dollarsToCents, TextField, wholeNumber } from '../components/fields.tsx';
import { Card, Page } from '../components/parts.tsx';
import { DEFAULT_PROJECT, ProjectField } from '../components/project-field.tsx';
import { grantOf, isWrong, ProviderPicker, type Picked } from '../components/provider-picker.tsx';
import { ShownOnce } from '../components/token.tsx';
import { ks } from '../lib/api.ts';
import { refresh } from '../lib/query.ts';
import { to, useRoute } from '../lib/router.tsx';

export const NewAgent = () => {
  const [name, setName] = useState('');
  const [project, setProject] = useState(useRoute().query.get('project') ?? '');
  const [picked, setPicked] = useState<readonly Picked[]>([]);
  const [budget, setBudget] = useState('');
  const [minute, setMinute] = useState('');
  const [daily, setDaily] = useState('');
  const [made, setMade] = useState<CreatedToken>();
  const wrong = {
    budget: budget !== '' && dollarsToCents(budget) === undefined,
    minute: minute !== '' && wholeNumber(minute) === undefined,
    daily: daily !== '' && wholeNumber(daily) === undefined,
  };

  const missing = [name.trim() === '' && 'a name', picked.length === 0 && 'a provider'].filter(Boolean);

  if (made) {
    return (
      <Page title="The agent is there" actions={<a className="button main" href={to(['agents', made.agent.id])}>Go to the agent</a>}>
        <Card>
          <ShownOnce made={made} />
        </Card>
        <p className="quiet">
          Call it once and <a href={to(['requests'], { agent: made.agent.id })}>watch its requests arrive</a>.
        </p>
      </Page>
    );
  }
  return (
    <Page title="Create an agent" about="It gets a token at the end. What you set here can be changed at any time, and holds from the next request on.">
      <div className="card card-body form">
        <Form
          submit="Create the agent"
          disabled={name.trim() === '' || picked.length === 0 || picked.some(isWrong) || wrong.budget || wrong.minute || wrong.daily}
          onSubmit={async (idempotencyKey) => {
            const cents = dollarsToCents(budget);
            const [rpm, rpd] = [wholeNumber(minute), wholeNumber(daily)];
            const token = await ks.tokens.create(
              {
                name: name.trim(),
                ...(project && { project }),
                providers: picked.map(grantOf),
                ...(cents !== undefined && { budgetCentsMonthly: cents }),
                ...(rpm !== undefined && { rpmLimit: rpm }),
                ...(rpd !== undefined && { rpdLimit: rpd }),
              },
              { idempotencyKey },
            );
            refresh('agents/', 'budgets/');
            setMade(token);
          }}
        >
          {(failure) => (
            <>
              <TextField label="Name" required autoFocus maxLength={100} placeholder="support-bot" value={name} failure={failure} pointer="/name" onChange={(event) => setName(event.target.value)} hint="Unique in the project." />
              <ProjectField value={project} onChange={(next) => { setProject(next); setPicked(picked.map((one) => ({ ...one, credential: undefined }))); }} failure={failure} hint="It uses the keys of its project." />
              <ProviderPicker project={project || DEFAULT_PROJECT} picked={picked} onChange={setPicked} />
              <fieldset className="stack-small">
                <legend className="legend">Limits</legend>
                <div className="grid-2">
                  <TextField label="Dollars a month" inputMode="decimal" placeholder="no limit" value={budget} failure={failure} pointer="/budgetCentsMonthly" onChange={(event) => setBudget(event.target.value)} hint={wrong.budget ? 'An amount such as 25 or 12.50.' : 'Calls that would pass it are refused before they are sent.'} />
                  <TextField label="Requests a minute" inputMode="numeric" placeholder="60, the default" value={minute} failure={failure} pointer="/rpmLimit" onChange={(event) => setMinute(event.target.value)} hint={wrong.minute ? 'A whole number.' : 'For each provider.'} />
                  <TextField label="Requests a day" inputMode="numeric" placeholder="10,000, the default" value={daily} failure={failure} pointer="/rpdLimit" onChange={(event) => setDaily(event.target.value)} hint={wrong.daily ? 'A whole number.' : 'For each provider, in a UTC day.'} />
                </div>
              </fieldset>
              {missing.length > 0 && <p className="quiet">To be created it needs {missing.join(' and ')}.</p>}
            </>
          )}
        </Form>
      </div>
    </Page>
  );
};
