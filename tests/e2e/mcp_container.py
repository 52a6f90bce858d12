"""An MCP server without a line about who may come: one tool, over streamable HTTP, at /mcp.

At /agent.json it has the description of a client, as that one's own site would have.
"""
import http.server
import json
import os

TOOL = {"name": "whoami", "description": "Says who the door let in.", "inputSchema": {"type": "object", "properties": {}}}


class Server(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def results(self):
        return {
            "initialize": lambda params: {"protocolVersion": params.get("protocolVersion", "2025-11-25"), "capabilities": {"tools": {}},
                                          "serverInfo": {"name": "whoami", "version": "1"}},
            "tools/list": lambda params: {"tools": [TOOL]},
            "tools/call": lambda params: {"content": [{"type": "text", "text": self.who()}]},
        }

    def who(self):
        return self.headers.get("x-goog-authenticated-user-email", "nobody") + (" with a token" if self.headers.get("authorization") else "")

    def do_POST(self):
        asked = json.loads(self.rfile.read(int(self.headers.get("content-length") or 0)))
        if "id" not in asked:
            self.answer(202, b"")
            return
        known = self.results().get(asked["method"])
        body = {"jsonrpc": "2.0", "id": asked["id"]}
        if known is None or self.path != "/mcp":
            body["error"] = {"code": -32601, "message": "Method not found"}
        else:
            body["result"] = known(asked.get("params", {}))
        self.answer(200, json.dumps(body).encode())

    def do_GET(self):
        if self.path != "/agent.json":
            self.answer(405, b"")
            return
        self.answer(200, json.dumps({
            "client_id": f"https://{self.headers['host']}/agent.json", "client_name": "Described agent",
            "redirect_uris": ["http://127.0.0.1/callback"], "grant_types": ["authorization_code", "refresh_token"],
            "response_types": ["code"], "token_endpoint_auth_method": "none"}).encode())

    def do_DELETE(self):
        self.answer(405, b"")

    def answer(self, status, body):
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *ignored):
        pass


http.server.ThreadingHTTPServer(("127.0.0.1", int(os.environ["PORT"])), Server).serve_forever()
