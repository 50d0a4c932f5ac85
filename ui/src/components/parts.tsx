// Small parts that every page uses: buttons, badges, empty and failed states, figures, bars.
import { useState, type ButtonHTMLAttributes, type ReactNode } from 'react';
import type { Failure } from '../lib/api.ts';
import { approximately, ago, exactly } from '../lib/format.ts';
import { VerifyAddress } from './verify-address.tsx';

export type Tone = 'ok' | 'warn' | 'bad' | 'accent' | 'plain' | 'off';

export const Badge = ({ tone = 'off', children }: { tone?: Tone; children: ReactNode }) => <span className={`badge ${tone}`}>{children}</span>;

interface ButtonProps extends ButtonHTMLAttributes<HTMLButtonElement> {
  kind?: 'main' | 'danger' | 'bare';
  small?: boolean;
  busy?: boolean;
}

export const Button = ({ kind, small, busy, children, disabled, className, ...rest }: ButtonProps) => (
  <button
    type="button"
    {...rest}
    className={['button', kind, small && 'small', className].filter(Boolean).join(' ')}
    disabled={disabled || busy}
    aria-busy={busy || undefined}
  >
    {children}
  </button>
);

export const Page = ({ title, about, actions, children }: { title: ReactNode; about?: ReactNode; actions?: ReactNode; children: ReactNode }) => (
  <>
    <div className="page-head">
      <div>
        <h1 className="break">{title}</h1>
        {about && <p>{about}</p>}
      </div>
      {actions && <div className="row">{actions}</div>}
    </div>
    {children}
  </>
);

export const Card = ({ title, actions, children, flush }: { title?: ReactNode; actions?: ReactNode; children: ReactNode; flush?: boolean }) => (
  <section className="card">
    {title && (
      <div className="card-head">
        <h2>{title}</h2>
        {actions && <div className="row">{actions}</div>}
      </div>
    )}
    {flush ? children : <div className="card-body">{children}</div>}
  </section>
);

export const Empty = ({ title, children, actions }: { title: string; children: ReactNode; actions?: ReactNode }) => (
  <div className="empty">
    <strong>{title}</strong>
    <p>{children}</p>
    {actions && <div className="row">{actions}</div>}
  </div>
);

/** An error as the server said it: what, what helps, the code to search for and the id to ask with. */
export const Failed = ({ failure, again }: { failure: Failure; again?: () => void }) => (
  <div className="notice bad stack-small" role="alert">
    <p>
      <strong>{failure.words}</strong>
    </p>
    {failure.remedy && <p>{failure.remedy}</p>}
    {failure.fields.length > 0 && (
      <ul>
        {failure.fields.map((field) => (
          <li key={field.pointer}>
            <code>{field.pointer}</code> {field.detail}
          </li>
        ))}
      </ul>
    )}
    {failure.code === 'email_unverified' && <VerifyAddress />}
    <p className="mono">
      {failure.code}
      {failure.requestId && ` · ${failure.requestId}`}
    </p>
    {again && (
      <div>
        <Button small onClick={again}>
          Try again
        </Button>
      </div>
    )}
  </div>
);

export const Skeleton = ({ width = '100%', height }: { width?: string; height?: number }) => (
  <span className="skeleton" style={{ width, ...(height !== undefined && { height }) }} aria-hidden="true" />
);

export const Figure = ({ label, value, note, href }: { label: string; value: ReactNode; note?: ReactNode; href?: string }) => {
  const inside = (
    <>
      <span className="label">{label}</span>
      <span className="value">{value ?? <Skeleton width="60%" height={33} />}</span>
      <span className="note">{note ?? ' '}</span>
    </>
  );
  return href ? (
    <a className="card figure" href={href}>
      {inside}
    </a>
  ) : (
    <div className="card figure">{inside}</div>
  );
};

/** How much of a limit is spent, and how much running calls hold beside that; or the share of a whole, which warns of nothing. */
export const Bar = ({ spent, held = '0', limit, label, share }: { spent: string; held?: string; limit: string; label: string; share?: boolean }) => {
  const whole = approximately(limit);
  const part = (text: string): number => (whole > 0 ? Math.min(100, (approximately(text) / whole) * 100) : 100);
  const [used, running] = [part(spent), Math.min(part(held), 100 - part(spent))];
  const tone = share ? '' : used >= 100 ? 'bad' : used >= 80 ? 'warn' : '';
  return (
    <div className={`bar ${tone}`} role="meter" aria-label={label} aria-valuemin={0} aria-valuemax={100} aria-valuenow={Math.round(used)}>
      <span style={{ width: `${used}%` }} />
      {running > 0 && <span className="held" style={{ width: `${running}%` }} />}
    </div>
  );
};

export const Ago = ({ time }: { time: string | null | undefined }) =>
  time ? (
    <time dateTime={time} title={exactly(time)}>
      {ago(time)}
    </time>
  ) : (
    <span className="quiet">never</span>
  );

export const Copy = ({ text, label = 'Copy' }: { text: string; label?: string }) => {
  const [state, set] = useState<'idle' | 'done' | 'failed'>('idle');
  const copy = async (): Promise<void> => {
    try {
      await navigator.clipboard.writeText(text);
      set('done');
    } catch {
      set('failed');
    }
    setTimeout(() => set('idle'), 1600);
  };
  return (
    <Button small onClick={() => void copy()} aria-live="polite">
      {{ idle: label, done: 'Copied', failed: 'Select and copy it' }[state]}
    </Button>
  );
};

export const Facts = ({ of }: { of: readonly (readonly [string, ReactNode])[] }) => (
  <dl className="facts">
    {of.map(([name, value]) => (
      <div key={name} style={{ display: 'contents' }}>
        <dt>{name}</dt>
        <dd>{value}</dd>
      </div>
    ))}
  </dl>
);

/** What an agent or a vendor named: it is only ever text, with what would turn its direction round shown as such. */
export const Named = ({ name, id }: { name?: string | null | undefined; id?: string }) =>
  name ? (
    <bdi>{name.replace(/[\u0000-\u001f\u007f-\u009f\u200e\u200f\u202a-\u202e\u2066-\u2069]/g, '\ufffd')}</bdi>
  ) : (
    <span className="mono quiet">{id ?? '–'}</span>
  );
