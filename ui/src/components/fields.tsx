// Fields of forms, with their label, hint and what the server found wrong with them.
import { useId, type InputHTMLAttributes, type ReactNode, type SelectHTMLAttributes, type TextareaHTMLAttributes } from 'react';
import type { Failure } from '../lib/api.ts';

interface Around {
  label: string;
  hint?: ReactNode;
  failure?: Failure | undefined;
  /** The JSON pointer under which the server names the field. */
  pointer?: string;
}

const wrongWith = ({ failure, pointer }: Around): string | undefined => failure?.fields.find((field) => field.pointer === pointer)?.detail;

export const TextField = ({ label, hint, failure, pointer, ...rest }: Around & InputHTMLAttributes<HTMLInputElement>) => {
  const id = useId();
  const wrong = wrongWith({ label, failure, ...(pointer !== undefined && { pointer }) });
  return (
    <div className="field">
      <label htmlFor={id}>{label}</label>
      <input id={id} className="input" autoComplete="off" spellCheck={false} aria-invalid={wrong ? true : undefined} aria-describedby={`${id}-more`} {...rest} />
      <span id={`${id}-more`} className={wrong ? 'wrong' : 'hint'}>
        {wrong ?? hint}
      </span>
    </div>
  );
};

export const SelectField = ({ label, hint, failure, pointer, children, ...rest }: Around & SelectHTMLAttributes<HTMLSelectElement>) => {
  const id = useId();
  const wrong = wrongWith({ label, failure, ...(pointer !== undefined && { pointer }) });
  return (
    <div className="field">
      <label htmlFor={id}>{label}</label>
      <select id={id} className="input" aria-invalid={wrong ? true : undefined} aria-describedby={`${id}-more`} {...rest}>
        {children}
      </select>
      <span id={`${id}-more`} className={wrong ? 'wrong' : 'hint'}>
        {wrong ?? hint}
      </span>
    </div>
  );
};

/** Text of several lines. `wrong`: what is wrong with it before the server has seen it. */
export const TextArea = ({ label, hint, failure, pointer, wrong: early, ...rest }: Around & { wrong?: string | undefined } & TextareaHTMLAttributes<HTMLTextAreaElement>) => {
  const id = useId();
  const wrong = early ?? wrongWith({ label, failure, ...(pointer !== undefined && { pointer }) });
  return (
    <div className="field">
      <label htmlFor={id}>{label}</label>
      <textarea id={id} className="input mono" autoComplete="off" spellCheck={false} aria-invalid={wrong ? true : undefined} aria-describedby={`${id}-more`} {...rest} />
      <span id={`${id}-more`} className={wrong ? 'wrong' : 'hint'}>
        {wrong ?? hint}
      </span>
    </div>
  );
};

/** A filter above a table: its label is for who does not see its place. */
export const FilterSelect = ({ label, children, ...rest }: { label: string } & SelectHTMLAttributes<HTMLSelectElement>) => (
  <select className="input slim" aria-label={label} {...rest}>
    {children}
  </select>
);

/** Dollars as they are typed, or `undefined` where nothing or no amount stands. */
export const dollarsToCents = (text: string): number | undefined => {
  const match = /^\$?\s*(\d{1,9})(?:\.(\d{1,2}))?$/.exec(text.trim());
  return match ? Number(match[1]) * 100 + Number((match[2] ?? '').padEnd(2, '0')) : undefined;
};

export const wholeNumber = (text: string): number | undefined => (/^\d{1,10}$/.test(text.trim()) ? Number(text.trim()) : undefined);

/** What is typed with commas or spaces between. */
export const listOf = (text: string): string[] => text.split(/[\s,]+/).filter(Boolean);
