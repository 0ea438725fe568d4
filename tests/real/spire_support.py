"""SPIRE as tools/setup built it: one server and one agent for each trust domain, on loopback and Unix sockets, with
everything that they keep in the test's folder.
"""

import os
import pathlib
import re
import signal
import subprocess
import time

from support import CACHE, ROOT, World, free_port, key_of

SPIRE = CACHE / f"spire-{key_of(ROOT / 'tests/real/spire/go.sum')}"
PEER = CACHE / f"spire-peer-{key_of(ROOT / 'tests/real/spire/peer/main.go')}" / "peer"

SERVER = """
server {{
  bind_address = "127.0.0.1"
  bind_port = "{port}"
  socket_path = "{folder}/server.sock"
  trust_domain = "{name}"
  data_dir = "{folder}"
  log_level = "WARN"
  ca_ttl = "24h"
}}
plugins {{
  DataStore "sql" {{ plugin_data {{ database_type = "sqlite3" connection_string = "{folder}/entries.sqlite3" }} }}
  NodeAttestor "join_token" {{ plugin_data {{}} }}
  KeyManager "memory" {{ plugin_data {{}} }}
}}
"""

AGENT_CONFIG = """
agent {{
  server_address = "127.0.0.1"
  server_port = "{port}"
  socket_path = "{folder}/agent.sock"
  trust_domain = "{name}"
  trust_bundle_path = "{folder}/bundle.pem"
  data_dir = "{folder}/agent"
  log_level = "WARN"
  experimental {{ sync_interval = "1s" }}
}}
plugins {{
  NodeAttestor "join_token" {{ plugin_data {{}} }}
  KeyManager "disk" {{ plugin_data {{ directory = "{folder}/agent" }} }}
  WorkloadAttestor "unix" {{ plugin_data {{ discover_workload_path = true }} }}
}}
"""


class TrustDomain:
    def __init__(self, folder, name):
        self.name = name
        # A socket's path must be short.
        self.folder = folder / name.split(".")[0]
        (self.folder / "agent").mkdir(parents=True)
        words = {"folder": self.folder, "name": name, "port": free_port()}
        (self.folder / "server.conf").write_text(SERVER.format(**words))
        (self.folder / "agent.conf").write_text(AGENT_CONFIG.format(**words))
        self.socket = self.folder / "agent.sock"
        self.endpoint = f"unix://{self.socket}"
        self.processes = []
        self.server = self.run("spire-server", "-config", self.folder / "server.conf")
        self.wait(lambda: self.command("healthcheck", check=False).returncode == 0)
        (self.folder / "bundle.pem").write_text(self.command("bundle", "show").stdout)
        token = self.command("token", "generate", "-spiffeID", f"spiffe://{name}/node").stdout.split()[1]
        self.start_agent("-joinToken", token)

    def run(self, program, *words):
        with (self.folder / f"{program}.log").open("ab") as log:
            process = subprocess.Popen([SPIRE / program, "run", *map(str, words)], stdin=subprocess.DEVNULL, stdout=log,
                                       stderr=log, cwd=self.folder)
        self.processes.append(process)
        return process

    def start_agent(self, *words):
        self.agent = self.run("spire-agent", "-config", self.folder / "agent.conf", *words)
        healthy = [SPIRE / "spire-agent", "healthcheck", "-socketPath", self.socket]
        self.wait(lambda: subprocess.run(healthy, capture_output=True).returncode == 0)

    def kill_agent(self):
        self.agent.kill()
        self.agent.wait()

    def wait(self, condition, seconds=60):
        deadline = time.monotonic() + seconds
        while not condition():
            if time.monotonic() > deadline:
                logs = "\n".join(log.read_text()[-2000:] for log in self.folder.glob("*.log"))
                raise AssertionError(f"SPIRE never came to that:\n{logs}")
            time.sleep(0.2)

    def command(self, *words, check=True, **options):
        return subprocess.run([SPIRE / "spire-server", *map(str, words), "-socketPath", self.folder / "server.sock"],
                              capture_output=True, text=True, timeout=30, check=check, **options)

    def entry(self, spiffe_id, *selectors, ttl=None, words=()):
        """Registers a workload of this node; gives the entry's id."""
        selected = [word for selector in selectors or (f"unix:uid:{os.getuid()}",) for word in ("-selector", selector)]
        lived = ["-x509SVIDTTL", ttl] if ttl else []
        done = self.command("entry", "create", "-parentID", f"spiffe://{self.name}/node", "-spiffeID", spiffe_id,
                            *selected, *lived, *words)
        return re.search(r"Entry ID *: *(\S+)", done.stdout).group(1)

    def delete(self, entry):
        self.command("entry", "delete", "-entryID", entry)

    def believes(self, other):
        """Takes the bundle of another trust domain."""
        bundle = other.command("bundle", "show", "-format", "spiffe").stdout
        self.command("bundle", "set", "-format", "spiffe", "-id", f"spiffe://{other.name}", input=bundle)

    def svid(self, folder, spiffe_id):
        """A folder with svid.pem, key.pem and bundle.pem, as SPIRE's own tool writes them."""
        folder.mkdir()
        fetch = [SPIRE / "spire-agent", "api", "fetch", "x509", "-socketPath", self.socket, "-write", folder]
        self.wait(lambda: spiffe_id in subprocess.run(fetch, capture_output=True, text=True).stdout)
        listed = subprocess.run(fetch, capture_output=True, text=True, check=True).stdout
        number = re.findall(r"SPIFFE ID:\s*(\S+)", listed).index(spiffe_id)
        for name, written in (("svid.pem", f"svid.{number}.pem"), ("key.pem", f"svid.{number}.key"),
                              ("bundle.pem", f"bundle.{number}.pem")):
            (folder / written).rename(folder / name)
        return folder

    def close(self):
        for process in self.processes:
            if process.poll() is None:
                process.send_signal(signal.SIGTERM)
        for process in self.processes:
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


class SpireWorld(World):
    def domain(self, name="acme.example"):
        made = TrustDomain(self.folder, name)
        self.addCleanup(made.close)
        return made

    @staticmethod
    def identity_of(domain, spiffe_id, **more):
        """The member `identity` of a configuration."""
        return {"workload_api": {"endpoint": domain.endpoint, "spiffe_id": spiffe_id, **more}}

    @staticmethod
    def ask(program, domain, *words, check=True):
        """`mandated identity …` by that program."""
        return subprocess.run([program, "identity", *words, "--endpoint", domain.endpoint], capture_output=True,
                              text=True, timeout=60, check=check)

    def wait_for(self, condition, seconds=30):
        deadline = time.monotonic() + seconds
        while not condition():
            self.assertLess(time.monotonic(), deadline, "it never came to that")
            time.sleep(0.1)


def program_copy(program, folder):
    copy = pathlib.Path(folder) / "workload"
    copy.write_bytes(pathlib.Path(program).read_bytes())
    copy.chmod(0o755)
    return copy
