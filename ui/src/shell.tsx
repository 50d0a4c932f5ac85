// The frame: navigation, search, who is signed in, and the keys that work everywhere.
import { useEffect, useRef, useState, type ReactNode } from 'react';
import { Dialog } from './components/dialog.tsx';
import { Icon } from './components/icons.tsx';
import { Button } from './components/parts.tsx';
import { say, sayFailure } from './components/toasts.tsx';
import { ks } from './lib/api.ts';
import { step, useKeys } from './lib/keys.ts';
import { useQuery } from './lib/query.ts';
import { go, to, useRoute } from './lib/router.tsx';
import { useSession } from './lib/session.tsx';
import { setTheme, themeNow, type Theme } from './lib/theme.ts';
import { ENTRIES, type Entry } from './pages.tsx';
import { Palette } from './palette.tsx';

const GROUPS = ['work', 'rules', 'house'] as const;

export const Shell = ({ title, children }: { title: string; children: ReactNode }) => {
  const session = useSession();
  const { parts } = useRoute();
  const [open, setOpen] = useState<'menu' | 'palette' | 'keys'>();
  const main = useRef<HTMLElement>(null);
  const path = parts.join('/');
  const offered = ENTRIES.filter((entry) => entry.offered?.(session) ?? true);

  useEffect(() => {
    document.title = `${title} · Keystore`;
  }, [title]);
  // Another page begins at its top, and is where the keyboard goes on.
  const before = useRef(path);
  useEffect(() => {
    if (before.current === path) return;
    before.current = path;
    setOpen(undefined);
    scrollTo(0, 0);
    main.current?.focus({ preventScroll: true });
  }, [path]);
  useEffect(() => {
    const hear = (event: KeyboardEvent): void => {
      if (event.key.toLowerCase() !== 'k' || !(event.ctrlKey || event.metaKey) || document.querySelector('dialog[open]')) return;
      event.preventDefault();
      setOpen('palette');
    };
    addEventListener('keydown', hear);
    return () => removeEventListener('keydown', hear);
  }, []);
  useKeys({
    '?': () => setOpen('keys'),
    j: () => step(main.current, 1),
    k: () => step(main.current, -1),
    '/': (event) => {
      event.preventDefault();
      const filter = main.current?.querySelector<HTMLElement>('[data-filter]');
      if (filter) filter.focus();
      else setOpen('palette');
    },
    ...Object.fromEntries(offered.map((entry) => [`g ${entry.key}`, () => go(to(entry.path ? [entry.path] : []))])),
  });

  return (
    <div className="shell">
      <a className="skip" href="#main" onClick={(event) => { event.preventDefault(); main.current?.focus(); }}>
        Skip to the page
      </a>
      <header className="top">
        <Brand />
        <Button kind="bare" onClick={() => setOpen('menu')} aria-label="Open the menu" aria-expanded={open === 'menu'}>
          <Icon name="menu" />
        </Button>
      </header>
      <aside className={open === 'menu' ? 'side open' : 'side'}>
        <div className="spread">
          <Brand />
          <Button className="narrow-only" kind="bare" onClick={() => setOpen(undefined)} aria-label="Close the menu">
            <Icon name="close" />
          </Button>
        </div>
        <button type="button" className="search-button" onClick={() => setOpen('palette')}>
          Search <kbd>Ctrl K</kbd>
        </button>
        <nav aria-label="Pages">
          {GROUPS.map((group) => {
            const entries = offered.filter((entry) => entry.group === group);
            return entries.length > 0 && <Group key={group} entries={entries} now={parts[0] ?? ''} onGo={() => setOpen(undefined)} />;
          })}
        </nav>
        <SideFoot onKeys={() => setOpen('keys')} />
      </aside>
      <main className="page" id="main" ref={main} tabIndex={-1}>
        {children}
      </main>
      {open === 'palette' && <Palette entries={offered} onClose={() => setOpen(undefined)} />}
      {open === 'keys' && <Keys entries={offered} onClose={() => setOpen(undefined)} />}
    </div>
  );
};

const Brand = () => (
  <a className="brand" href="#/">
    <img src="/favicon.svg" alt="" width="24" height="24" />
    Keystore
  </a>
);

const Group = ({ entries, now, onGo }: { entries: readonly Entry[]; now: string; onGo: () => void }) => (
  <ul>
    {entries.map((entry) => (
      <li key={entry.path}>
        <a className="nav-link" href={to(entry.path ? [entry.path] : [])} aria-current={entry.path === now ? 'page' : undefined} onClick={onGo}>
          <Icon name={entry.icon} />
          {entry.title}
        </a>
      </li>
    ))}
  </ul>
);

const SideFoot = ({ onKeys }: { onKeys: () => void }) => {
  const { me, again } = useSession();
  const [theme, choose] = useState<Theme>(themeNow);
  const orgs = useQuery('orgs', async () => ks.org.list());
  const leave = async (): Promise<void> => {
    try {
      await ks.auth.logOut();
    } catch (error) {
      sayFailure(error);
    }
    await again();
  };
  const move = async (orgId: string): Promise<void> => {
    try {
      const moved = await ks.auth.switchOrg({ orgId });
      go(to([]));
      await again();
      say(`You are in ${moved.org.name} now.`);
    } catch (error) {
      sayFailure(error);
    }
  };
  return (
    <div className="side-foot">
      <div className="row">
        <select
          className="input slim"
          aria-label="Theme"
          value={theme}
          onChange={(event) => {
            const next = event.target.value as Theme;
            setTheme(next);
            choose(next);
          }}
        >
          <option value="system">System theme</option>
          <option value="light">Light</option>
          <option value="dark">Dark</option>
        </select>
        <Button kind="bare" small onClick={onKeys} aria-label="Keyboard shortcuts">
          <kbd>?</kbd>
        </Button>
      </div>
      <div className="who stack-small">
        {(orgs.data?.data.length ?? 0) > 1 ? (
          <select className="input slim" aria-label="Organization" value={me.org.id} onChange={(event) => void move(event.target.value)}>
            {orgs.data?.data.map((org) => (
              <option key={org.id} value={org.id}>
                {org.name}
              </option>
            ))}
          </select>
        ) : (
          <p>
            <strong>{me.org.name}</strong>
          </p>
        )}
        <p className="quiet" title={me.user?.email}>
          {me.user?.email} · {me.role}
        </p>
        <Button small onClick={() => void leave()}>
          Sign out
        </Button>
      </div>
    </div>
  );
};

const Keys = ({ entries, onClose }: { entries: readonly Entry[]; onClose: () => void }) => {
  const rows: [string, string][] = [
    ['Ctrl K', 'Search pages and agents'],
    ['/', 'Go to the filter of the page'],
    ['j k', 'Next and previous row, through all lists of the page'],
    ['Enter', 'Open the row'],
    ['Esc', 'Close what is open'],
    ['?', 'This list'],
    ...entries.map((entry): [string, string] => [`g ${entry.key}`, `Go to ${entry.title}`]),
  ];
  return (
    <Dialog title="Keyboard" onClose={onClose}>
      <dl className="facts">
        {rows.map(([keys, words]) => (
          <div key={keys} style={{ display: 'contents' }}>
            <dt>
              {keys.split(' ').map((key) => (
                <kbd key={key}>{key}</kbd>
              ))}
            </dt>
            <dd>{words}</dd>
          </div>
        ))}
      </dl>
    </Dialog>
  );
};
