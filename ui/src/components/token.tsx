// A token that was just made: shown once, with what to do with it.
import type { CreatedToken } from '@keystore/sdk';
import { useSession } from '../lib/session.tsx';
import { Copy, Failed, Named } from './parts.tsx';
import { Snippets } from './snippets.tsx';

export const ShownOnce = ({ made }: { made: CreatedToken }) => {
  const { me } = useSession();
  if (!made.token) {
    return <Failed failure={{ words: 'The token was shown by an earlier answer to the same request.', code: 'secret_shown', fields: [], ...(made.remedy && { remedy: made.remedy }) }} />;
  }
  return (
    <div className="stack">
      <div className="notice ok stack-small">
        <p>
          <strong>
            The token of <Named name={made.agent.name} />. It is shown this once: copy it now.
          </strong>
        </p>
        <div className="spread">
          <code className="break" data-token="">
            {made.token}
          </code>
          <Copy text={made.token} label="Copy the token" />
        </div>
      </div>
      <Snippets proxy={me.proxyUrl} slugs={made.agent.providers.map((grant) => grant.name)} token={made.token} />
    </div>
  );
};
