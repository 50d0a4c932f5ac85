//! A client of `/mcp` of the plainest kind: one POST is one tool call.

use serde_json::{Value, json};

use super::Client;

impl Client {
    /// What a method of the protocol is answered, in the handshake's revisions: `result` or `error`.
    pub(crate) async fn rpc(&self, method: &str, params: Value) -> Value {
        let message = json!({"jsonrpc": "2.0", "id": 1, "method": method, "params": params});
        self.post("/mcp", &message).await.expect(200)
    }

    /// What a tool answers.
    pub(crate) async fn tool(&self, name: &str, arguments: Value) -> Value {
        let params = json!({"name": name, "arguments": arguments});
        let answer = self.rpc("tools/call", params).await;
        let result = &answer["result"];
        assert_eq!(result["isError"], false, "{answer:#}");
        let text: Value = serde_json::from_str(result["content"][0]["text"].as_str().unwrap()).unwrap();
        assert_eq!(text, result["structuredContent"], "both forms say the same");
        text
    }

    /// What a tool says that does not do what it is asked.
    pub(crate) async fn tool_fails(&self, name: &str, arguments: Value) -> Value {
        let params = json!({"name": name, "arguments": arguments});
        let answer = self.rpc("tools/call", params).await;
        let result = &answer["result"];
        assert_eq!(result["isError"], true, "{answer:#}");
        assert!(
            result["structuredContent"].is_null(),
            "no answer in the form of one"
        );
        serde_json::from_str(result["content"][0]["text"].as_str().unwrap()).unwrap()
    }
}
