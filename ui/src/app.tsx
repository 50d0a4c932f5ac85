// Who is there decides what is shown: the sign-in page, or the frame with the page that the address names.
import { lazy, Suspense, useCallback, useEffect, useState } from 'react';
import type { Me } from '@keystore/sdk';
import { Failed, Skeleton } from './components/parts.tsx';
import { Toasts } from './components/toasts.tsx';
import { failureOf, ks, type Failure } from './lib/api.ts';
import { forget, whenUnauthenticated } from './lib/query.ts';
import { go, to, useRoute } from './lib/router.tsx';
import { SessionContext, type Session } from './lib/session.tsx';
import { pageOf } from './pages.tsx';
import { isLetter, LetterPage } from './pages/letters.tsx';
import { SignIn } from './pages/sign-in.tsx';
import { Shell } from './shell.tsx';

const MustSetUp = lazy(async () => ({ default: (await import('./pages/sign-in-settings.tsx')).MustSetUp }));

type State = { at: 'asking' } | { at: 'outside' } | { at: 'inside'; me: Me; operator: boolean } | { at: 'failed'; failure: Failure };

/** What only the operator may read tells whether the organization is the operator's. */
const isOperators = async (me: Me): Promise<boolean> => {
  if (me.role !== 'owner' && me.role !== 'admin') return false;
  return ks.operator.getPoolRules().then(
    () => true,
    () => false,
  );
};

export const App = () => {
  const [state, setState] = useState<State>({ at: 'asking' });
  const route = useRoute();
  const signingIn = route.parts[0] === 'sign-in';

  const ask = useCallback(async (): Promise<void> => {
    try {
      const me = await ks.auth.whoAmI();
      setState({ at: 'inside', me, operator: await isOperators(me) });
    } catch (error) {
      const failure = failureOf(error);
      setState(failure.status === 401 ? { at: 'outside' } : { at: 'failed', failure });
    }
  }, []);

  useEffect(() => {
    whenUnauthenticated(() => {
      forget();
      setState({ at: 'outside' });
    });
    void ask();
  }, [ask]);

  const arrived = async (): Promise<void> => {
    forget();
    go(to([]));
    await ask();
  };
  if (isLetter(route)) return <LetterPage route={route} onDone={arrived} />;
  if (state.at === 'asking') return <Waiting />;
  if (state.at === 'failed') {
    return (
      <div className="outside">
        <main>
          <h1>Keystore does not answer</h1>
          <Failed failure={state.failure} again={() => void ask()} />
        </main>
      </div>
    );
  }
  if (state.at === 'outside' || signingIn) {
    const done = async (): Promise<void> => {
      forget();
      // The page that was asked for, before signing in stood in its way.
      if (signingIn) go(to([]));
      await ask();
    };
    return <SignIn code={signingIn ? route.query.get('code') : null} onDone={done} />;
  }
  const again = async (): Promise<void> => {
    forget();
    await ask();
  };
  const session: Session = { me: state.me, operator: state.operator, again, renew: ask };
  if (state.me.secondFactorMissing) {
    return (
      <SessionContext value={session}>
        <div className="outside">
          <main>
            <Suspense fallback={<WaitingPage />}>
              <MustSetUp org={state.me.org.name} />
            </Suspense>
          </main>
        </div>
        <Toasts />
      </SessionContext>
    );
  }
  const { title, body } = pageOf(route, session);
  return (
    <SessionContext value={session}>
      <Shell key={state.me.org.id} title={title}>
        <Suspense fallback={<WaitingPage />}>
          <div className="stack" key={`${state.me.org.id}/${route.parts.join('/')}`}>
            {body}
          </div>
        </Suspense>
      </Shell>
      <Toasts />
    </SessionContext>
  );
};

const Waiting = () => (
  <div className="shell" aria-busy="true">
    <div className="side" />
    <main className="page">
      <WaitingPage />
    </main>
  </div>
);

const WaitingPage = () => (
  <div className="stack" aria-busy="true">
    <span className="hidden">Loading</span>
    <Skeleton width="180px" height={28} />
    <Skeleton height={140} />
    <Skeleton height={260} />
  </div>
);
