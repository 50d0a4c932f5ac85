// What happened, said once in a corner, and to screen readers.
import { useSyncExternalStore } from 'react';
import { failureOf } from '../lib/api.ts';
import { Icon } from './icons.tsx';
import { Button } from './parts.tsx';

interface Toast {
  readonly id: number;
  readonly text: string;
  readonly bad: boolean;
}

let toasts: readonly Toast[] = [];
let last = 0;
const listeners = new Set<() => void>();

const set = (next: readonly Toast[]): void => {
  toasts = next;
  for (const listener of listeners) listener();
};

const dismiss = (id: number): void => set(toasts.filter((toast) => toast.id !== id));

export const say = (text: string, bad = false): void => {
  const id = (last += 1);
  set([...toasts.slice(-2), { id, text, bad }]);
  // What went wrong stays until it is read.
  if (!bad) setTimeout(() => dismiss(id), 5000);
};

export const sayFailure = (error: unknown): void => {
  const { words, remedy, code } = failureOf(error);
  say(`${words}${remedy ? ` ${remedy}` : ''} (${code})`, true);
};

export const Toasts = () => {
  const shown = useSyncExternalStore(
    (listener) => {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    () => toasts,
  );
  return (
    <div className="toasts" role="status" aria-live="polite">
      {shown.map((toast) => (
        <div key={toast.id} className={`toast ${toast.bad ? 'bad' : ''}`}>
          <span>{toast.text}</span>
          <Button kind="bare" small onClick={() => dismiss(toast.id)} aria-label="Dismiss">
            <Icon name="close" />
          </Button>
        </div>
      ))}
    </div>
  );
};
