"""Agents beside a proxy, with the two helper libraries as their users get them: the Python one installed by pip without
a network, the TypeScript one compiled by the pinned compiler.
"""

import functools
import json
import os
import pathlib
import subprocess
import sys
import tempfile

from support import ROOT

HERE = pathlib.Path(__file__).resolve().parent
HELPERS = ROOT / "helpers"


@functools.cache
def scratch():
    """A folder that outlives the tests of this process, and that other users may look into."""
    made = tempfile.TemporaryDirectory(prefix="mandated-agents-")
    pathlib.Path(made.name).chmod(0o755)
    scratch.keep = made
    return pathlib.Path(made.name)


@functools.cache
def install_python():
    """The folder that `mandated` was installed into; it can be imported from then on."""
    target = scratch() / "python"
    done = subprocess.run([sys.executable, "-m", "pip", "install", "--quiet", "--no-index", "--no-cache-dir",
                           "--disable-pip-version-check", "--target", target, HELPERS / "python"],
                          capture_output=True, text=True, timeout=120)
    if done.returncode != 0:
        raise AssertionError(done.stdout + done.stderr)
    sys.path.insert(0, str(target))
    return target


@functools.cache
def node():
    """(the program, the modules of the compiler)."""
    script = f'. "{ROOT}/tests/real/node/environment" && printf "%s\n%s" "$MANDATED_NODE" "$MANDATED_TYPESCRIPT"'
    return subprocess.run(["bash", "-ec", script], capture_output=True, text=True, check=True).stdout.split("\n")


def compile_typescript(folder):
    program, modules = node()
    compiler = pathlib.Path(modules) / "typescript" / "bin" / "tsc"
    done = subprocess.run([program, compiler], cwd=folder, capture_output=True, text=True, timeout=120)
    if done.returncode != 0:
        raise AssertionError(done.stdout + done.stderr)


@functools.cache
def node_project():
    """A folder of a project that has installed @mandated/agent, with agent.js in it."""
    _, modules = node()
    library, project = scratch() / "library", scratch() / "project"
    for folder, source, names in ((library, HELPERS / "typescript", ["package.json", "tsconfig.json", "src/index.ts"]),
                                  (project, HERE, ["package.json", "tsconfig.json", "agent.ts"])):
        for name in names:
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_bytes((source / name).read_bytes())
    (library / "node_modules").symlink_to(modules)
    compile_typescript(library)
    (project / "node_modules" / "@mandated").mkdir(parents=True)
    (project / "node_modules" / "@mandated" / "agent").symlink_to(library)
    (project / "node_modules" / "@types").symlink_to(pathlib.Path(modules) / "@types")
    compile_typescript(project)
    return project


class TypeScriptAgent:
    """agents/agent.ts, run by Node.js."""

    def __init__(self, socket):
        self.process = subprocess.Popen([node()[0], node_project() / "agent.js"], stdin=subprocess.PIPE, text=True,
                                        stdout=subprocess.PIPE, env={**os.environ, "MANDATED_SOCKET": str(socket)})

    def tell(self, do, **more):
        self.process.stdin.write(json.dumps({"do": do, **more}) + "\n")
        self.process.stdin.flush()
        return json.loads(self.process.stdout.readline())

    def close(self):
        self.process.stdin.close()
        self.process.stdout.close()
        self.process.kill()
        self.process.wait()
