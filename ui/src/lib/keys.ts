// The keyboard: single keys where nobody types, and sequences that begin with `g`.
import { useEffect, useRef } from 'react';

const isTyping = (target: EventTarget | null): boolean =>
  target instanceof HTMLElement && (target.isContentEditable || /^(INPUT|TEXTAREA|SELECT)$/.test(target.tagName));

/** Listens for keys by name (`?`, `j`, `g a`). A dialog that is open keeps them to itself. */
export const useKeys = (keys: Record<string, (event: KeyboardEvent) => void>): void => {
  const latest = useRef(keys);
  useEffect(() => {
    latest.current = keys;
  });
  useEffect(() => {
    let first = '';
    const hear = (event: KeyboardEvent): void => {
      if (event.ctrlKey || event.metaKey || event.altKey || isTyping(event.target)) return;
      if (document.querySelector('dialog[open]')) return;
      const name = first ? `${first} ${event.key}` : event.key;
      first = '';
      const act = latest.current[name];
      if (act) act(event);
      else if (event.key === 'g') {
        first = 'g';
        setTimeout(() => (first = ''), 1000);
      }
    };
    addEventListener('keydown', hear);
    return () => removeEventListener('keydown', hear);
  }, []);
};

/** Puts the keyboard on the next or the previous of what leads somewhere in the lists below an element, all of them in their order. */
export const step = (within: HTMLElement | null, by: number): void => {
  const links = [...(within?.querySelectorAll<HTMLElement>('.lead-cell a, .bars a') ?? [])].filter((link) => link.checkVisibility());
  const at = links.findIndex((link) => link === document.activeElement);
  links[at < 0 && by < 0 ? links.length - 1 : Math.max(0, Math.min(links.length - 1, at + by))]?.focus();
};
