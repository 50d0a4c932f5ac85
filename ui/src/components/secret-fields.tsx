// The fields of a provider's secret. What is typed stays in the form, is sent once, and is forgotten with it.
import type { Provider, SecretFields } from '@keystore/sdk';
import type { Failure } from '../lib/api.ts';
import { TextField } from './fields.tsx';

export type Typed = Readonly<Record<string, string>>;

interface Props {
  provider: Provider;
  typed: Typed;
  onChange: (typed: Typed) => void;
  failure: Failure | undefined;
}

export const SecretInputs = ({ provider, typed, onChange, failure }: Props) => (
  <>
    {provider.fields.map((field) => (
      <TextField
        key={field.name}
        label={field.label}
        type={field.secret ? 'password' : 'text'}
        autoComplete="off"
        required={field.required}
        value={typed[field.name] ?? ''}
        failure={failure}
        pointer={provider.fields.length === 1 ? '/secret' : `/secret/${field.name}`}
        onChange={(event) => onChange({ ...typed, [field.name]: event.target.value })}
        hint={field.required ? undefined : 'May be left empty.'}
      />
    ))}
  </>
);

/** As the API takes it: the key alone, or an object where there are several fields. */
export const secretOf = (provider: Provider, typed: Typed): SecretFields => {
  const only = provider.fields.length === 1 ? provider.fields[0] : undefined;
  if (only) return (typed[only.name] ?? '').trim();
  return Object.fromEntries(provider.fields.map(({ name }) => [name, (typed[name] ?? '').trim()] as const).filter(([, value]) => value !== ''));
};

export const isComplete = (provider: Provider, typed: Typed): boolean => provider.fields.every(({ name, required }) => !required || Boolean(typed[name]?.trim()));
