"""For an AI agent beside a `mandated` proxy: ask a person for a delegation receipt, hand a narrower one on to another
agent, and attach one to a call that does not go through the proxy.

    from mandated import Sidecar

    sidecar = Sidecar("/run/mandated/local.sock")
    reports = {"read_file": {"path": {"constraint_type": "path_containment", "root": "/srv/reports"}}}
    request = sidecar.ask(user="mailto:alice@example.org", tools=reports, lifetime=3600, intent="sum up the reports")
    print("Please sign:", request.url)
    receipt = request.wait()

A Sidecar may be used by several threads at once; under asyncio, call it through `asyncio.to_thread`.
"""

from ._sidecar import (Attachment, Delegation, Error, Identity, NotSigned, Receipt, Refused, Request, Sidecar, Tools)

__all__ = ["Attachment", "Delegation", "Error", "Identity", "NotSigned", "Receipt", "Refused", "Request", "Sidecar",
           "Tools"]
