// Defining a provider of one's own, or changing it: a few fields for the usual case, and the whole definition as JSON for the rest.
import { useState } from 'react';
import type { Provider } from '@keystore/sdk';
import { ks } from '../lib/api.ts';
import { mergePatch, readObject, type Json } from '../lib/merge-patch.ts';
import { refresh } from '../lib/query.ts';
import { Dialog, Form } from './dialog.tsx';
import { SelectField, TextArea, TextField } from './fields.tsx';
import { say } from './toasts.tsx';

/** Where the key goes, in the words of the catalog's schema. */
const WAYS = {
  bearer: { words: 'as a bearer token in Authorization', inject: () => ({ bearer: '{key}' }) },
  header: { words: 'in a header of its own', inject: (name: string) => ({ header: name }) },
  query: { words: 'in the query', inject: (name: string) => ({ query: name, value: '{key}' }) },
} as const;

type Way = keyof typeof WAYS;

const shown = (value: unknown): string => (value == null ? '' : JSON.stringify(value, null, 2));

/** What a text of JSON says; empty is nothing. */
const given = (text: string): { value: Json | undefined } | { wrong: string } => (text.trim() === '' ? { value: undefined } : readObject(text));

const wrongIn = (text: string): string | undefined => {
  const read = given(text);
  return 'wrong' in read ? read.wrong : undefined;
};

const valueOf = (text: string): Json | undefined => {
  const read = given(text);
  return 'wrong' in read ? undefined : read.value;
};

export const DefineProvider = ({ onClose, onDone }: { onClose: () => void; onDone: (provider: Provider) => void }) => {
  const [slug, setSlug] = useState('');
  const [name, setName] = useState('');
  const [baseUrl, setBaseUrl] = useState('');
  const [way, setWay] = useState<Way>('bearer');
  const [place, setPlace] = useState('');
  const [whole, setWhole] = useState<string>();
  const [prices, setPrices] = useState('');
  const simple = (): Json => ({ name: name.trim() || slug.trim(), category: 'other', base_url: baseUrl.trim(), inject: [WAYS[way].inject(place.trim())] });
  const text = whole ?? shown(simple());
  const wrong = [wrongIn(text), wrongIn(prices)];
  const incomplete = whole === undefined && (baseUrl.trim() === '' || (way !== 'bearer' && place.trim() === ''));
  return (
    <Dialog title="Define a provider" onClose={onClose}>
      <Form
        submit="Define it"
        disabled={slug.trim() === '' || incomplete || wrong.some(Boolean)}
        onCancel={onClose}
        onSubmit={async () => {
          const made = await ks.providers.create({ slug: slug.trim(), definition: { ...valueOf(text) }, ...(prices.trim() && { prices: { ...valueOf(prices) } }) });
          say(`${made.name} is there: add its key, and grant it to agents.`);
          refresh('providers/', 'provider/');
          onDone(made);
        }}
      >
        {(failure) => (
          <>
            <TextField label="Name in paths and commands" required autoFocus placeholder="acme" value={slug} failure={failure} pointer="/slug" onChange={(event) => setSlug(event.target.value)} hint={`Agents call it at /v1/${slug.trim() || 'acme'}/…`} />
            {whole === undefined && (
              <div className="grid-2">
                <TextField label="Name for people" placeholder="Acme" value={name} failure={failure} pointer="/definition/name" onChange={(event) => setName(event.target.value)} />
                <TextField label="Base URL" type="url" required placeholder="https://api.acme.example" value={baseUrl} failure={failure} pointer="/definition/base_url" onChange={(event) => setBaseUrl(event.target.value)} />
                <SelectField label="Where it takes its key" value={way} onChange={(event) => setWay(event.target.value as Way)}>
                  {Object.entries(WAYS).map(([one, { words }]) => (
                    <option key={one} value={one}>
                      {words}
                    </option>
                  ))}
                </SelectField>
                {way !== 'bearer' && <TextField label={way === 'header' ? 'Name of the header' : 'Name of the parameter'} required placeholder={way === 'header' ? 'x-acme-key' : 'key'} value={place} onChange={(event) => setPlace(event.target.value)} />}
              </div>
            )}
            <details onToggle={(event) => event.currentTarget.open && whole === undefined && setWhole(text)}>
              <summary>The whole definition, and prices</summary>
              <div className="stack">
                <TextArea label="Definition" rows={12} value={text} wrong={wrong[0]} failure={failure} pointer="/definition" onChange={(event) => setWhole(event.target.value)} hint="JSON, with the members of a file of the catalog: category, operations, hosts, params, fields, …" />
                <TextArea label="Prices" rows={6} value={prices} wrong={wrong[1]} failure={failure} pointer="/prices" onChange={(event) => setPrices(event.target.value)} hint="JSON; without any, its calls are not counted in dollars." />
              </div>
            </details>
          </>
        )}
      </Form>
    </Dialog>
  );
};

/** Sends what differs alone, so that a change of somebody else's beside it stays. */
export const ChangeProvider = ({ provider, onClose }: { provider: Provider; onClose: () => void }) => {
  const before = provider.definition ?? {};
  const [definition, setDefinition] = useState(shown(before));
  const [prices, setPrices] = useState(shown(provider.prices));
  const wrong = [wrongIn(definition) ?? (definition.trim() === '' ? 'A provider has a definition.' : undefined), wrongIn(prices)];
  return (
    <Dialog title={`Change ${provider.name}`} onClose={onClose}>
      <Form
        submit="Save"
        disabled={wrong.some(Boolean)}
        onCancel={onClose}
        onSubmit={async () => {
          const patch = mergePatch(before, valueOf(definition) ?? {});
          const pricesChanged = prices !== shown(provider.prices);
          await ks.providers.update(provider.slug, { definition: { ...patch }, ...(pricesChanged && { prices: prices.trim() ? { ...valueOf(prices) } : null }) });
          say('Requests that begin from now on follow it.');
          refresh('providers/', 'provider/', 'credentials/', 'credential/');
          onClose();
        }}
      >
        {(failure) => (
          <>
            <TextArea label="Definition" rows={16} value={definition} wrong={wrong[0]} failure={failure} pointer="/definition" onChange={(event) => setDefinition(event.target.value)} hint="JSON, with the members of a file of the catalog." />
            <TextArea label="Prices" rows={6} value={prices} wrong={wrong[1]} failure={failure} pointer="/prices" onChange={(event) => setPrices(event.target.value)} hint="Empty: none." />
            <p className="quiet">Where hosts or the place of the key change, stored keys stay sealed for the old ones until each is resealed.</p>
          </>
        )}
      </Form>
    </Dialog>
  );
};
