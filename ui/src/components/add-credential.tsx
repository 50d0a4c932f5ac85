// Adding a key: the vendor is recognised by the key where it has a known form, and the vendor is asked before the key is stored.
import { useId, useState } from 'react';
import type { Credential, Provider } from '@keystore/sdk';
import { ks, type Failure } from '../lib/api.ts';
import { refresh, useQuery } from '../lib/query.ts';
import { isOurs, vendorOf } from '../lib/shapes.ts';
import { Dialog, Form } from './dialog.tsx';
import { TextField } from './fields.tsx';
import { Button, Failed, Skeleton } from './parts.tsx';
import { ProjectField } from './project-field.tsx';
import { isComplete, SecretInputs, secretOf, type Typed } from './secret-fields.tsx';

interface Props {
  slug: string;
  onClose: () => void;
  onAdded: (credential: Credential) => void;
}

export const AddCredential = ({ slug: first, onClose, onAdded }: Props) => {
  const [slug, setSlug] = useState(first);
  return (
    <Dialog title="Add a key" onClose={onClose}>
      {slug ? <Details slug={slug} onBack={() => setSlug('')} onMove={setSlug} onClose={onClose} onAdded={onAdded} /> : <Choose onChoose={setSlug} />}
    </Dialog>
  );
};

const OFTEN = ['openai', 'anthropic', 'gemini', 'openrouter', 'stripe', 'resend', 'tavily', 'github'];

const Choose = ({ onChoose }: { onChoose: (slug: string) => void }) => {
  const [typed, setTyped] = useState('');
  const id = useId();
  const found = useQuery(`providers/${typed}`, async () => (typed ? (await ks.providers.list({ search: typed, limit: 8 })).data : []));
  const slugs = typed ? (found.data ?? []).map((one) => one.slug) : OFTEN;
  return (
    <>
      <div className="field">
        <label htmlFor={id}>Which provider is it of?</label>
        <input id={id} className="input" type="search" autoFocus autoComplete="off" placeholder="openai, anthropic, stripe …" value={typed} onChange={(event) => setTyped(event.target.value)} />
      </div>
      {found.failure && <Failed failure={found.failure} />}
      <div className="row" aria-live="polite">
        {slugs.map((slug) => (
          <Button key={slug} small onClick={() => onChoose(slug)}>
            {slug}
          </Button>
        ))}
        {typed && found.data?.length === 0 && <span className="quiet">No provider has this name. <code>ks provider define</code> adds one of your own.</span>}
      </div>
    </>
  );
};

const Details = ({ slug, onBack, onMove, onClose, onAdded }: { slug: string; onBack: () => void; onMove: (slug: string) => void } & Omit<Props, 'slug'>) => {
  const query = useQuery(`provider/${slug}`, () => ks.providers.get(slug));
  const [typed, setTyped] = useState<Typed>({});
  const [params, setParams] = useState<Typed>({});
  const [name, setName] = useState('');
  const [baseUrl, setBaseUrl] = useState('');
  const [project, setProject] = useState('');
  const [verify, setVerify] = useState(true);
  const provider = query.data;
  if (!provider) return query.failure ? <Failed failure={query.failure} again={query.again} /> : <Skeleton height={160} />;
  const key = typed['key'] ?? '';
  const other = vendorOf(key);
  const full = isComplete(provider, typed) && provider.params.every((one) => params[one.name]?.trim());
  const send = async (idempotencyKey: string): Promise<void> => {
    const stored = await ks.credentials.create(
      {
        provider: slug,
        secret: secretOf(provider, typed),
        ...(project && { project }),
        ...(name.trim() && { name: name.trim() }),
        ...(baseUrl.trim() && { baseUrl: baseUrl.trim() }),
        ...(provider.params.length > 0 && { params }),
      },
      { verify: provider.testable && verify, idempotencyKey },
    );
    setTyped({});
    refresh('credentials/', 'agents/');
    onAdded(stored);
  };
  return (
    <Form submit={provider.testable && verify ? 'Verify and store' : 'Store'} disabled={!full || isOurs(key)} onCancel={onClose} onSubmit={send}>
      {(failure) => (
        <>
          <div className="spread">
            <strong>{provider.name}</strong>
            <Button small kind="bare" onClick={onBack}>
              Another provider
            </Button>
          </div>
          <SecretInputs provider={provider} typed={typed} onChange={setTyped} failure={failure} />
          {other && other !== slug && (
            <p className="notice warn">
              This looks like a key of {other}.{' '}
              <Button small onClick={() => onMove(other)}>
                It is of {other}
              </Button>
            </p>
          )}
          {other === slug && <p className="quiet">It has the form of a key of {provider.name}.</p>}
          {isOurs(key) && <p className="notice bad">This is a token of Keystore itself, not a vendor’s key.</p>}
          <Asked provider={provider} params={params} onChange={setParams} />
          <Address provider={provider} value={baseUrl} onChange={setBaseUrl} failure={failure} />
          <TextField label="Name" placeholder="default" value={name} failure={failure} pointer="/name" onChange={(event) => setName(event.target.value)} hint="To tell several keys of a provider apart." />
          <ProjectField value={project} onChange={setProject} failure={failure} hint="Agents of the project may be granted it." />
          {provider.testable ? (
            <label className="check">
              <input type="checkbox" checked={verify} onChange={(event) => setVerify(event.target.checked)} />
              Ask {provider.name} whether the key holds, before it is stored
            </label>
          ) : (
            <p className="quiet">{provider.name} has nothing that a key can be tried with: it is stored as it is.</p>
          )}
        </>
      )}
    </Form>
  );
};

const Asked = ({ provider, params, onChange }: { provider: Provider; params: Typed; onChange: (params: Typed) => void }) => (
  <>
    {provider.params.map((one) => (
      <TextField key={one.name} label={one.name} required value={params[one.name] ?? ''} onChange={(event) => onChange({ ...params, [one.name]: event.target.value })} hint={one.description} />
    ))}
  </>
);

const Address = ({ provider, value, onChange, failure }: { provider: Provider; value: string; onChange: (value: string) => void; failure: Failure | undefined }) => {
  const own = provider.selfHosted || !provider.baseUrl;
  const field = (
    <TextField
      label="Base URL"
      type="url"
      required={!provider.baseUrl}
      placeholder={provider.baseUrl ?? 'https://…'}
      value={value}
      failure={failure}
      pointer="/baseUrl"
      onChange={(event) => onChange(event.target.value)}
      hint={own ? 'Where your own server is.' : 'Only an address that the operator of this server allows.'}
    />
  );
  if (own) return field;
  return (
    <details>
      <summary>It is at another address</summary>
      {field}
    </details>
  );
};
