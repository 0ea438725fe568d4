"""A stand-in for `mandated consent serve`: it answers agents and proxies as the service does, and people do what the
test says. The real one is met in delegation_test.py and in tests/browser.
"""

import time

from support import Answering, Loopback

MEMBERS = {
    "receipt": ({"kind", "user", "holder", "holder_key", "tools", "lifetime", "intent"}, {"depth", "mandate"}),
    "approval": ({"kind", "ticket", "receipt", "tool", "args", "approvers"}, {"server", "holder", "user", "intent"}),
}


class ConsentService(Loopback):
    """`decide(name, request)`: what people did about it by now: the list of what they signed, or "refused"; None:
    nothing yet. `opened` names the requests whose pages were opened."""

    def __init__(self, decide):
        self.requests, self.opened = {}, set()
        owner = self

        class Handler(Answering):
            def do_POST(self):
                request = self.read()
                needed, more = MEMBERS[request["kind"]]
                if not (self.path == "/requests" and self.headers["content-type"] == "application/json"
                        and needed <= set(request) <= needed | more
                        and request.get("user", "mailto:").startswith("mailto:")):
                    self.json(400, {"status": 400, "detail": f"This is no request for a {request['kind']}."})
                    return
                name = f"r{len(owner.requests)}"
                owner.requests[name] = request
                self.json(201, {"id": name, "url": owner.page(name), "expires": time.time() + 600})

            def do_GET(self):
                path, _, seconds = self.path.partition("?wait=")
                name, _, page = path.removeprefix("/requests/").partition("/")
                request = owner.requests.get(name)
                if request is None:
                    self.json(404, {"status": 404, "detail": "There is no such request."})
                    return
                if page:
                    owner.opened.add(name)
                deadline = time.monotonic() + int(seconds or 0)
                while (done := decide(name, request)) is None and time.monotonic() < deadline:
                    time.sleep(0.02)
                if done is None or done == "refused":
                    self.json(200, {"status": done or "pending"})
                else:
                    signed = "approvals" if request["kind"] == "approval" else "chain"
                    self.json(200, {"status": "signed", signed: done})

        super().__init__(Handler)
        self.origin = f"http://127.0.0.1:{self.port}"

    def page(self, name):
        return f"http://localhost:{self.port}/requests/{name}/page"
