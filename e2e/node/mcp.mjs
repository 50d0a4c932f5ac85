// The official Node client of the Model Context Protocol: one step of what test_mcp.py plays, told on stdout.
import assert from "node:assert/strict";
import { Client } from "@modelcontextprotocol/sdk/client/index.js";
import { StdioClientTransport } from "@modelcontextprotocol/sdk/client/stdio.js";
import { StreamableHTTPClientTransport } from "@modelcontextprotocol/sdk/client/streamableHttp.js";

const given = JSON.parse(process.env.KS_MCP);
const transport =
  given.way === "http"
    ? new StreamableHTTPClientTransport(new URL(`${given.apiUrl}/mcp`), {
        requestInit: { headers: { authorization: `Bearer ${given.token}` } },
      })
    : new StdioClientTransport({ command: given.ks, args: ["mcp"], env: given.env });
const client = new Client({ name: "e2e", version: "1" });
await client.connect(transport);

async function call(name, args = {}) {
  const result = await client.callTool({ name, arguments: args });
  assert.ok(!result.isError, JSON.stringify(result));
  return result.structuredContent;
}

let told;
if (given.step === "ask") {
  const { tools } = await client.listTools();
  const refused = await client.callTool({ name: "request_access", arguments: { provider: "opnai", reason: "x" } });
  assert.ok(refused.isError);
  told = {
    tools: tools.map((tool) => tool.name),
    me: await call("whoami"),
    why: await call("get_last_refusal"),
    refused: JSON.parse(refused.content[0].text),
    filed: await call("request_access", { provider: "openai", source: "byok", reason: "to answer" }),
  };
} else {
  told = await call("list_access_requests");
}
await client.close();
process.stdout.write(JSON.stringify(told));
