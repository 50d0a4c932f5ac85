// Dialogs on the browser's own element: it keeps the focus inside, closes with Escape and gives the focus back.
import { createContext, useContext, useEffect, useId, useRef, useState, type FormEvent, type MouseEvent, type ReactNode } from 'react';
import { failureOf, type Failure } from '../lib/api.ts';
import { Icon } from './icons.tsx';
import { Button, Failed } from './parts.tsx';

/** How a form says to the dialog around it that it is being sent. */
const Sending = createContext<(busy: boolean) => void>(() => undefined);

interface DialogProps {
  title: string;
  onClose: () => void;
  /** What is shown would be lost: Escape does not close it. */
  keep?: boolean;
  children: ReactNode;
  className?: string;
}

export const Dialog = ({ title, onClose, keep, children, className }: DialogProps) => {
  const element = useRef<HTMLDialogElement>(null);
  const heading = useId();
  const [busy, setBusy] = useState(false);
  const held = keep || busy;
  // Only the first Escape can be refused as it cancels; all of them can as keys, wherever in the dialog the keyboard is.
  useEffect(() => {
    if (!held) return;
    const hear = (event: KeyboardEvent): void => {
      if (event.key === 'Escape') event.preventDefault();
    };
    addEventListener('keydown', hear, true);
    return () => removeEventListener('keydown', hear, true);
  }, [held]);
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
        if (!held) onClose();
      }}
      onClose={() => {
        // The browser closed it, whatever it was told.
        const dialog = element.current;
        if (!dialog || dialog.open) return;
        if (held) dialog.showModal();
        else onClose();
      }}
    >
      <div className="dialog-head">
        <h2 id={heading}>{title}</h2>
        {!held && (
          <Button kind="bare" small onClick={onClose} aria-label="Close">
            <Icon name="close" />
          </Button>
        )}
      </div>
      <div className="dialog-body">
        <Sending value={setBusy}>{children}</Sending>
      </div>
    </dialog>
  );
};

interface FormProps {
  submit: string;
  danger?: boolean;
  disabled?: boolean;
  onCancel?: () => void;
  /**
   * Rejects to say what went wrong. `key` is the idempotency key of what is typed: sent again because it is not known what became of it, it
   * has no second effect. For one call alone.
   */
  onSubmit: (key: string) => Promise<void>;
  children: (failure: Failure | undefined) => ReactNode;
}

/** Random also where the page came without TLS, and `randomUUID` is missing. */
const newKey = (): string => `dashboard-${Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16).padStart(2, '0')).join('')}`;

/** Whether it is not known what became of the call: no answer came, none of the server's own, or one that does not know either. */
const isOpen = ({ code, status }: Failure): boolean => status === undefined || status >= 500 || code === 'idempotency_running';

/** A form that is sent once at a time and shows what was refused: at the field where the server names one. */
export const Form = ({ submit, danger, disabled, onCancel, onSubmit, children }: FormProps) => {
  const [busy, setBusy] = useState(false);
  const [failure, setFailure] = useState<Failure>();
  const tell = useContext(Sending);
  const key = useRef<string>(undefined);
  const renew = (): void => {
    key.current = undefined;
  };
  const send = async (event: FormEvent): Promise<void> => {
    event.preventDefault();
    setBusy(true);
    tell(true);
    setFailure(undefined);
    try {
      await onSubmit((key.current ??= newKey()));
      renew();
    } catch (error) {
      const failed = failureOf(error);
      if (!isOpen(failed)) renew();
      setFailure(failed);
    } finally {
      setBusy(false);
      tell(false);
    }
  };
  // What a button in it changes is something else to send, as what is typed is.
  const changed = (event: MouseEvent): void => {
    if ((event.target as HTMLElement).closest('button:not([type="submit"])')) renew();
  };
  return (
    <form className="stack" onSubmit={(event) => void send(event)} onChange={renew} onClick={changed} noValidate={false}>
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
  onConfirm: (key: string) => Promise<void>;
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
