// Rates over all agents and providers of the organization, or of a project.
import { useState } from 'react';
import type { Limits, UpdateLimits } from '@keystore/sdk';
import { ks } from '../lib/api.ts';
import { count } from '../lib/format.ts';
import { refresh, useQuery } from '../lib/query.ts';
import { useMay } from '../lib/session.tsx';
import { Form } from './dialog.tsx';
import { TextField } from './fields.tsx';
import { Button, Card, Failed } from './parts.tsx';
import { say } from './toasts.tsx';

const RATES = [
  ['rpmLimit', 'Requests a minute'],
  ['rpdLimit', 'Requests a day'],
  ['tpmLimit', 'Tokens a minute'],
  ['maxConcurrency', 'Calls at the same time'],
] as const;

/** `project`: of this one alone; absent is the organization. */
export const Ceilings = ({ project }: { project?: string }) => {
  const key = `limits/${project ?? ''}`;
  const query = useQuery<Limits>(key, () => (project ? ks.projects.getLimits(project) : ks.org.getLimits()));
  const may = useMay('members');
  const [typed, setTyped] = useState<Record<string, string>>();
  const now = query.data;
  const save = async (body: UpdateLimits): Promise<void> => {
    await (project ? ks.projects.updateLimits(project, body) : ks.org.updateLimits(body));
    setTyped(undefined);
    refresh(key);
    say('In force from the next request on.');
  };
  return (
    <Card
      title="Ceilings over all agents"
      actions={
        may &&
        now &&
        !typed && (
          <Button small onClick={() => setTyped(Object.fromEntries(RATES.map(([name]) => [name, now[name] == null ? '' : String(now[name])])))}>
            Change
          </Button>
        )
      }
    >
      {query.failure && !now && <Failed failure={query.failure} again={query.again} />}
      {!typed ? (
        <div className="grid-4">
          {RATES.map(([name, title]) => (
            <div key={name} className="stack-small">
              <span className="quiet">{title}</span>
              <strong className="number">{now ? (now[name] == null ? 'no limit' : count(now[name])) : '…'}</strong>
            </div>
          ))}
        </div>
      ) : (
        <Form
          submit="Save"
          disabled={Object.values(typed).some((text) => !/^\d*$/.test(text))}
          onCancel={() => setTyped(undefined)}
          onSubmit={() => save(Object.fromEntries(RATES.map(([name]) => [name, typed[name] ? Number(typed[name]) : null])))}
        >
          {(failure) => (
            <div className="grid-4">
              {RATES.map(([name, title]) => (
                <TextField key={name} label={title} inputMode="numeric" placeholder="no limit" value={typed[name] ?? ''} failure={failure} pointer={`/${name}`} onChange={(event) => setTyped({ ...typed, [name]: event.target.value })} />
              ))}
            </div>
          )}
        </Form>
      )}
    </Card>
  );
};
