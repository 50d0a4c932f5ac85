// What a check of the log in this browser has found: all that was checked, what is wrong, or why nothing can be checked here.
import type { ReactNode } from 'react';
import { CannotCheck, Wrong } from '../lib/audit/bytes.ts';
import { Failed } from './parts.tsx';
import { failureOf } from '../lib/api.ts';

export type Found = { readonly checked: readonly ReactNode[] } | { readonly error: unknown };

export const AuditFound = ({ found }: { found: Found }) => {
  if ('checked' in found) {
    return (
      <div className="notice ok stack-small" role="status">
        <p>
          <strong>Verified by this browser.</strong>
        </p>
        <ul className="checked">
          {found.checked.map((one, at) => (
            <li key={at}>{one}</li>
          ))}
        </ul>
      </div>
    );
  }
  const { error } = found;
  if (error instanceof Wrong) {
    return (
      <div className="notice bad stack-small" role="alert">
        <p>
          <strong>The check has failed.</strong>
        </p>
        <p>{error.message}.</p>
      </div>
    );
  }
  if (error instanceof CannotCheck) {
    return (
      <div className="notice warn" role="status">
        <strong>Not checked.</strong> {error.message}
      </div>
    );
  }
  return <Failed failure={failureOf(error)} />;
};
