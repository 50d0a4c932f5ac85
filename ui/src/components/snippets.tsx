// How an agent calls a provider with its token: as it is typed, for four ways to do it.
import { useId, useState } from 'react';
import { Copy } from './parts.tsx';

interface Call {
  readonly proxy: string;
  readonly slug: string;
  readonly token: string;
}

const WAYS = ['curl', 'Python', 'TypeScript', 'ks run'] as const;
type Way = (typeof WAYS)[number];

/** Those that OpenAI's own clients speak to. */
const MODEL: Record<string, string> = { openai: 'gpt-5-nano', sandbox: 'sandbox-1' };

const snippet = (way: Way, { proxy, slug, token }: Call): string => {
  const model = MODEL[slug];
  const base = `${proxy}/v1/${slug}`;
  if (way === 'ks run') return `# Sets the base URL and the token for every provider that the agent may use.\nKS_PROXY_URL=${proxy} KS_TOKEN=${token} ks run --provider ${slug} -- python agent.py`;
  if (model) {
    return {
      curl: `curl -sN ${base}/v1/chat/completions \\\n  -H 'authorization: Bearer ${token}' \\\n  -H 'content-type: application/json' \\\n  -d '{"model":"${model}","messages":[{"role":"user","content":"Hello!"}]}'`,
      Python: `from openai import OpenAI\n\nclient = OpenAI(base_url="${base}/v1", api_key="${token}")\nanswer = client.chat.completions.create(\n    model="${model}", messages=[{"role": "user", "content": "Hello!"}]\n)\nprint(answer.choices[0].message.content)`,
      TypeScript: `import OpenAI from "openai";\n\nconst client = new OpenAI({\n  baseURL: "${base}/v1",\n  apiKey: "${token}",\n});\nconst answer = await client.chat.completions.create({\n  model: "${model}",\n  messages: [{ role: "user", content: "Hello!" }],\n});\nconsole.log(answer.choices[0]?.message.content);`,
    }[way];
  }
  if (slug === 'anthropic') {
    const body = 'claude-haiku-4-5';
    return {
      curl: `curl -sN ${base}/v1/messages \\\n  -H 'x-api-key: ${token}' \\\n  -H 'anthropic-version: 2023-06-01' \\\n  -H 'content-type: application/json' \\\n  -d '{"model":"${body}","max_tokens":256,"messages":[{"role":"user","content":"Hello!"}]}'`,
      Python: `from anthropic import Anthropic\n\nclient = Anthropic(base_url="${base}", api_key="${token}")\nanswer = client.messages.create(\n    model="${body}", max_tokens=256, messages=[{"role": "user", "content": "Hello!"}]\n)\nprint(answer.content[0].text)`,
      TypeScript: `import Anthropic from "@anthropic-ai/sdk";\n\nconst client = new Anthropic({ baseURL: "${base}", apiKey: "${token}" });\nconst answer = await client.messages.create({\n  model: "${body}",\n  max_tokens: 256,\n  messages: [{ role: "user", content: "Hello!" }],\n});\nconsole.log(answer.content);`,
    }[way];
  }
  return {
    curl: `# What follows ${slug}/ goes to the vendor's host as it is.\ncurl -s ${base}/PATH \\\n  -H 'authorization: Bearer ${token}'`,
    Python: `import httpx\n\nvendor = httpx.Client(\n    base_url="${base}/", headers={"authorization": "Bearer ${token}"}\n)\nprint(vendor.get("PATH").text)`,
    TypeScript: `const answer = await fetch("${base}/PATH", {\n  headers: { authorization: "Bearer ${token}" },\n});\nconsole.log(await answer.text());`,
  }[way];
};

export const Snippets = ({ proxy, slugs, token }: { proxy: string; slugs: readonly string[]; token: string }) => {
  const [way, setWay] = useState<Way>('curl');
  const [slug, setSlug] = useState(slugs[0] ?? '');
  const id = useId();
  if (!slug) return null;
  const text = snippet(way, { proxy, slug, token });
  return (
    <div className="stack-small">
      <div className="spread">
        <div className="tabs" role="tablist" aria-label="Ways to call">
          {WAYS.map((one) => (
            <button key={one} type="button" role="tab" id={`${id}-${one}`} aria-selected={one === way} aria-controls={`${id}-panel`} onClick={() => setWay(one)}>
              {one}
            </button>
          ))}
        </div>
        <div className="row">
          {slugs.length > 1 && (
            <select className="input slim" aria-label="Provider" value={slug} onChange={(event) => setSlug(event.target.value)}>
              {slugs.map((one) => (
                <option key={one}>{one}</option>
              ))}
            </select>
          )}
          <Copy text={text} />
        </div>
      </div>
      <pre className="code" role="tabpanel" id={`${id}-panel`} aria-labelledby={`${id}-${way}`} tabIndex={0}>
        {text}
      </pre>
    </div>
  );
};
