// Dialogs on the browser's own element: it keeps the focus inside, closes with Escape and gives the focus back.
import { useEffect, useId, useRef, useState, type FormEvent, type ReactNode } from 'react';
import { failureOf, type Failure } from '../lib/api.ts';
import { Icon } from './icons.tsx';
import { Button, Failed } from './parts.tsx';

interface DialogProps {
  title: string;
  onClose: () => void;
  /** What is shown would be lost: a click beside it or Escape does not close it. */
  keep?: boolean;
  children: ReactNode;
  className?: string;
}

export const Dialog = ({ title, onClose, keep, children, className }: DialogProps) => {
  const element = useRef<HTMLDialogElement>(null);
  const heading = useId();
  useEffect(() => {
    const dialog = element.current;
    if (!dialog) return;
    dialog.showModal();
    // The browser would begin at the button that closes it.
    dialog.querySelector<HTMLElement>('.dialog-body :is(input, select, textarea):not(:disabled)')?.focus();
    return () => dialog.close();
  }, []);
  return (
    <dialog
      ref={element}
      aria-labelledby={heading}
      className={className}
      onCancel={(event) => {
        event.preventDefault();
        if (!keep) onClose();
      }}
    >
      <div className="dialog-head">
        <h2 id={heading}>{title}</h2>
        {!keep && (
          <Button kind="bare" small onClick={onClose} aria-label="Close">
            <Icon name="close" />
          </Button>
        )}
      </div>
      <div className="dialog-body">{children}</div>
    </dialog>
  );
};

interface FormProps {
  submit: string;
  danger?: boolean;
  disabled?: boolean;
  onCancel?: () => void;
  /** Rejects to say what went wrong. */
  onSubmit: () => Promise<void>;
  children: (failure: Failure | undefined) => ReactNode;
}

/** A form that is sent once at a time and shows what was refused: at the field where the server names one. */
export const Form = ({ submit, danger, disabled, onCancel, onSubmit, children }: FormProps) => {
  const [busy, setBusy] = useState(false);
  const [failure, setFailure] = useState<Failure>();
  const send = async (event: FormEvent): Promise<void> => {
    event.preventDefault();
    setBusy(true);
    setFailure(undefined);
    try {
      await onSubmit();
    } catch (error) {
      setFailure(failureOf(error));
    } finally {
      setBusy(false);
    }
  };
  return (
    <form className="stack" onSubmit={(event) => void send(event)} noValidate={false}>
      {children(failure)}
      {failure && <Failed failure={failure} />}
      <div className="dialog-foot">
        {onCancel && (
          <Button onClick={onCancel} disabled={busy}>
            Cancel
          </Button>
        )}
        <Button type="submit" kind={danger ? 'danger' : 'main'} busy={busy} disabled={disabled ?? false}>
          {busy ? 'Working…' : submit}
        </Button>
      </div>
    </form>
  );
};

interface ConfirmProps {
  title: string;
  children: ReactNode;
  submit: string;
  /** What has to be typed, for what cannot be undone. */
  typed?: string;
  onConfirm: () => Promise<void>;
  onClose: () => void;
}

export const Confirm = ({ title, children, submit, typed, onConfirm, onClose }: ConfirmProps) => {
  const [text, setText] = useState('');
  const id = useId();
  return (
    <Dialog title={title} onClose={onClose}>
      <Form submit={submit} danger disabled={typed !== undefined && text !== typed} onCancel={onClose} onSubmit={onConfirm}>
        {() => (
          <>
            <div className="stack-small">{children}</div>
            {typed !== undefined && (
              <div className="field">
                <label htmlFor={id}>
                  Type <code className="break">{typed}</code> to confirm
                </label>
                <input id={id} className="input" autoComplete="off" spellCheck={false} value={text} onChange={(event) => setText(event.target.value)} />
              </div>
            )}
          </>
        )}
      </Form>
    </Dialog>
  );
};
