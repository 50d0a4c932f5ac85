// The command palette: pages, acts, agents and requests by what is typed.
import { useEffect, useId, useRef, useState, type KeyboardEvent } from 'react';
import { Named } from './components/parts.tsx';
import { useAllAgents } from './lib/look-ups.ts';
import { go, to } from './lib/router.tsx';
import { useMay } from './lib/session.tsx';
import type { Entry } from './pages.tsx';

interface Hit {
  readonly id: string;
  readonly text: string;
  readonly kind: string;
  readonly href: string;
}

/** Every typed word begins somewhere in the text. */
const matches = (text: string, typed: string): boolean =>
  typed
    .toLowerCase()
    .split(/\s+/)
    .every((word) => text.toLowerCase().includes(word));

export const Palette = ({ entries, onClose }: { entries: readonly Entry[]; onClose: () => void }) => {
  const [typed, setTyped] = useState('');
  const [at, setAt] = useState(0);
  const list = useId();
  const element = useRef<HTMLDialogElement>(null);
  const agents = useAllAgents();
  const [mayAgents, mayCredentials, sees] = [useMay('agents'), useMay('credentials'), useMay('see')];
  useEffect(() => {
    const dialog = element.current;
    dialog?.showModal();
    return () => dialog?.close();
  }, []);

  const acts: Hit[] = [
    ...(mayAgents ? [{ id: 'new-agent', text: 'Create an agent', kind: 'Act', href: to(['agents', 'new']) }] : []),
    ...(mayCredentials ? [{ id: 'new-credential', text: 'Add a key', kind: 'Act', href: to(['credentials'], { add: '1' }) }] : []),
  ];
  const pages = entries.map((entry): Hit => ({ id: `p-${entry.path}`, text: entry.title, kind: 'Page', href: to(entry.path ? [entry.path] : []) }));
  const found = (agents.data?.data ?? []).map((agent): Hit => ({ id: agent.id, text: agent.name, kind: 'Agent', href: to(['agents', agent.id]) }));
  const request: Hit[] = sees && /^req_\w+$/.test(typed.trim())
    ? [{ id: 'request', text: typed.trim(), kind: 'Request', href: to(['requests', typed.trim()]) }]
    : [];
  const hits = [...request, ...[...pages, ...acts, ...found].filter((hit) => matches(hit.text, typed))].slice(0, 40);
  const chosen = Math.min(at, hits.length - 1);

  const open = (hit: Hit | undefined): void => {
    if (!hit) return;
    onClose();
    go(hit.href);
  };
  const hear = (event: KeyboardEvent): void => {
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (step !== undefined) {
      event.preventDefault();
      const next = Math.max(0, Math.min(hits.length - 1, chosen + step));
      setAt(next);
      document.getElementById(`${list}-${next}`)?.scrollIntoView({ block: 'nearest' });
    } else if (event.key === 'Enter') {
      event.preventDefault();
      open(hits[chosen]);
    }
  };
  return (
    <dialog ref={element} className="palette" aria-label="Search" onCancel={(event) => { event.preventDefault(); onClose(); }} onClick={(event) => event.target === element.current && onClose()}>
      <input
        role="combobox"
        aria-expanded="true"
        aria-controls={list}
        aria-activedescendant={hits.length > 0 ? `${list}-${chosen}` : undefined}
        aria-label="Search pages, agents and requests"
        placeholder="A page, an agent, a request’s id …"
        autoComplete="off"
        spellCheck={false}
        value={typed}
        onChange={(event) => {
          setTyped(event.target.value);
          setAt(0);
        }}
        onKeyDown={hear}
      />
      <ul id={list} role="listbox" aria-label="Found">
        {hits.map((hit, index) => (
          <li key={hit.id} id={`${list}-${index}`} role="option" aria-selected={index === chosen} onClick={() => open(hit)} onMouseMove={() => setAt(index)}>
            <Named name={hit.text} />
            <span className="quiet">{hit.kind}</span>
          </li>
        ))}
      </ul>
      {hits.length === 0 && <p className="dialog-body quiet">Nothing has this name.</p>}
    </dialog>
  );
};
