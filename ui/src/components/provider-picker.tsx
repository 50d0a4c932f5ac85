// Which providers an agent may use, and whose key serves: your own or the marketplace's, side by side with what differs.
import { useId, useState } from 'react';
import type { Credential, Grant, GrantInput, Listing, Source } from '@keystore/sdk';
import { ks } from '../lib/api.ts';
import { money } from '../lib/format.ts';
import { all, PAGE, useAllListings } from '../lib/look-ups.ts';
import { refresh, useQuery } from '../lib/query.ts';
import { to } from '../lib/router.tsx';
import { useMay } from '../lib/session.tsx';
import { dollarsToCents, SelectField, TextField } from './fields.tsx';
import { Badge, Button, Failed } from './parts.tsx';
import { say, sayFailure } from './toasts.tsx';

export interface Picked {
  readonly slug: string;
  readonly source: Source;
  /** The own key; absent is the only one, or the one named `default`. */
  readonly credential?: string | undefined;
  /** Empty is everything that a grant can allow. */
  readonly scopes: readonly string[];
  /** Dollars a month that the marketplace serves for while the own key cannot; empty is nothing. */
  readonly fallback: string;
}

export const pickedOf = ({ name, source, credentialId, scopes, fallback }: Grant): Picked => ({
  slug: name,
  source,
  scopes,
  fallback: fallback ? (fallback.budgetCentsMonthly / 100).toFixed(2) : '',
  ...(credentialId && source === 'byok' && { credential: credentialId }),
});

export const isWrong = ({ fallback }: Picked): boolean => fallback !== '' && !dollarsToCents(fallback);

export const grantOf = ({ slug, source, credential, scopes, fallback }: Picked): GrantInput => {
  const cents = dollarsToCents(fallback);
  return {
    name: slug,
    source,
    scopes: [...scopes],
    ...(source === 'byok' && credential && { credential }),
    ...(source === 'byok' && cents && { fallback: { source: 'marketplace', budgetCentsMonthly: cents } }),
  };
};

interface PickerProps {
  /** Whose keys count (id or slug). */
  project: string;
  picked: readonly Picked[];
  onChange: (picked: readonly Picked[]) => void;
}

export const ProviderPicker = ({ project, picked, onChange }: PickerProps) => {
  const [typed, setTyped] = useState('');
  const mayAdd = useMay('credentials');
  const id = useId();
  const credentials = useQuery(`credentials/picker/${project}`, () => all(ks.credentials.list({ project, limit: PAGE })));
  const listings = useAllListings();
  const found = useQuery(`providers/${typed}`, async () => (typed ? (await ks.providers.list({ search: typed, limit: 8 })).data : []));
  const own = credentials.data?.data ?? [];
  const sold = listings.data?.data ?? [];
  const ready = [...new Set([...own.map((one) => one.provider), ...sold.filter((one) => one.enabled && one.available).map((one) => one.provider)])];
  const shown = (typed ? (found.data ?? []).map((one) => one.slug) : ready).filter((slug) => !picked.some((one) => one.slug === slug)).slice(0, 12);
  const add = (slug: string): void => {
    const source: Source = own.some((one) => one.provider === slug) || !sold.some((one) => one.provider === slug && one.enabled) ? 'byok' : 'marketplace';
    onChange([...picked, { slug, source, scopes: [], fallback: '' }]);
    setTyped('');
  };
  const failure = credentials.failure ?? listings.failure ?? found.failure;
  return (
    <fieldset className="stack-small">
      <legend className="legend">Providers</legend>
      {picked.map((one) => (
        <SourcePicker
          key={one.slug}
          picked={one}
          own={own.filter((credential) => credential.provider === one.slug)}
          sold={sold.find((listing) => listing.provider === one.slug)}
          onChange={(changes) => onChange(picked.map((other) => (other.slug === one.slug ? { ...other, ...changes } : other)))}
          onRemove={() => onChange(picked.filter((other) => other.slug !== one.slug))}
        />
      ))}
      <div className="field">
        <label htmlFor={id} className="hidden">
          Search providers
        </label>
        <input id={id} className="input" type="search" placeholder="Search hundreds of providers: openai, tavily, stripe …" autoComplete="off" value={typed} onChange={(event) => setTyped(event.target.value)} />
      </div>
      {failure && <Failed failure={failure} />}
      <div className="row" aria-live="polite">
        {shown.map((slug) => (
          <Button key={slug} small onClick={() => add(slug)}>
            + {slug}
          </Button>
        ))}
        {typed && found.data?.length === 0 && <span className="quiet">No provider has this name.</span>}
        {!typed && credentials.data && ready.length === 0 && picked.length === 0 && (
          <span className="quiet">
            {mayAdd ? (
              <>
                No key is stored yet. <a href={to(['credentials'], { add: '1' })}>Add one</a>, or search for a provider.
              </>
            ) : (
              'No key is stored yet. Search for a provider.'
            )}
          </span>
        )}
      </div>
    </fieldset>
  );
};

interface SourceProps {
  picked: Picked;
  own: readonly Credential[];
  sold: Listing | undefined;
  onChange: (changes: Partial<Picked>) => void;
  onRemove: () => void;
}

const SourcePicker = ({ picked, own, sold, onChange, onRemove }: SourceProps) => {
  const mayAdd = useMay('credentials');
  const byName = own.find((one) => one.name === 'default');
  const credential = own.find((one) => one.id === picked.credential) ?? byName ?? (own.length === 1 ? own[0] : undefined);
  const name = `source-${picked.slug}`;
  return (
    <fieldset className="stack-small">
      <legend className="hidden">Whose key serves {picked.slug}</legend>
      <div className="spread">
        <strong>{picked.slug}</strong>
        <Button small kind="bare" onClick={onRemove}>
          Remove
        </Button>
      </div>
      <div className="choice">
        <label>
          <span className="title">
            <input type="radio" name={name} checked={picked.source === 'byok'} onChange={() => onChange({ source: 'byok' })} /> Your own key
          </span>
          <span>{credential ? <Badge tone="ok">key {credential.name} is stored</Badge> : <Badge tone="warn">{own.length > 0 ? 'several keys are stored: choose one' : 'no key stored: calls are refused until there is'}</Badge>}</span>
          {own.length === 0 && mayAdd && <a href={to(['credentials'], { add: picked.slug })}>Add the key first</a>}
          <span className="quiet">The vendor bills you, under your agreement and your quota.</span>
        </label>
        <label>
          <span className="title">
            <input type="radio" name={name} checked={picked.source === 'marketplace'} disabled={!sold?.enabled} onChange={() => onChange({ source: 'marketplace' })} /> Marketplace
          </span>
          <span>{sold ? sold.enabled ? <Badge tone={sold.available ? 'ok' : 'warn'}>{sold.available ? 'ready' : 'no key in the pool'}</Badge> : <Enable listing={sold} /> : <Badge>not sold here</Badge>}</span>
          <span className="quiet">
            {sold?.typicalCall ? `About ${money(sold.typicalCall.cost)} for a typical call (${sold.typicalCall.model}), from your credit. ` : ''}
            The account is shared and its agreement is the operator’s: labels such as phi and gdpr-dpa forbid it.
          </span>
        </label>
      </div>
      {picked.source === 'byok' && own.length > 1 && (
        <SelectField label={`Which key of ${picked.slug}`} required={!byName} value={picked.credential ?? ''} onChange={(event) => onChange({ credential: event.target.value || undefined })}>
          <option value="">{byName ? 'the one named “default”' : 'choose …'}</option>
          {own.map((one) => (
            <option key={one.id} value={one.id}>
              {one.name}
            </option>
          ))}
        </SelectField>
      )}
      <details open={picked.fallback !== '' || picked.scopes.length > 0}>
        <summary>Narrower, or with something to fall back on</summary>
        <div className="grid-2">
          <ScopeField picked={picked} onChange={onChange} />
          {picked.source === 'byok' && (sold?.enabled || picked.fallback !== '') && (
            <TextField label="Marketplace while the key cannot serve, up to" inputMode="decimal" placeholder="dollars a month; nothing" value={picked.fallback} onChange={(event) => onChange({ fallback: event.target.value })} hint={isWrong(picked) ? 'An amount such as 25 or 12.50.' : 'When the key is missing, disabled, expired or refused.'} />
          )}
        </div>
      </details>
    </fieldset>
  );
};

const ScopeField = ({ picked, onChange }: { picked: Picked; onChange: (changes: Partial<Picked>) => void }) => {
  const read = `provider:${picked.slug}:read`;
  const now = picked.scopes.length === 0 ? 'all' : picked.scopes.length === 1 && picked.scopes[0] === read ? 'read' : 'own';
  return (
    <SelectField label="What it may do there" value={now} onChange={(event) => event.target.value !== 'own' && onChange({ scopes: event.target.value === 'read' ? [read] : [] })} hint="What makes or shows credentials is closed to every agent.">
      <option value="all">everything</option>
      <option value="read">read alone</option>
      {now === 'own' && <option value="own">{picked.scopes.join(', ')}</option>}
    </SelectField>
  );
};

/** A listing that the organization has not enabled, and doing so where somebody may. */
const Enable = ({ listing }: { listing: Listing }) => {
  const may = useMay('marketplace');
  const [busy, setBusy] = useState(false);
  const enable = async (): Promise<void> => {
    setBusy(true);
    try {
      await ks.marketplace.enable(listing.provider);
      say(`Agents may be granted ${listing.name} from the marketplace now.`);
      refresh('marketplace/');
    } catch (error) {
      sayFailure(error);
    } finally {
      setBusy(false);
    }
  };
  return (
    <span className="row">
      <Badge>not enabled in your organization</Badge>
      {may && (
        <Button small busy={busy} onClick={() => void enable()}>
          Enable it
        </Button>
      )}
    </span>
  );
};
