"""A web server for status lists as any web server would be one: static files over TLS, with a certificate
of a CA that is made for the occasion. For the real tests and the bench.
"""

import http.server
import pathlib
import ssl
import subprocess
import threading


def openssl(folder, *words):
    subprocess.run(["openssl", *map(str, words)], cwd=folder, check=True, capture_output=True)


def make_certificate(folder, name="localhost"):
    """ca.pem, and server.pem with its key for that name."""
    folder = pathlib.Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    key = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes")
    openssl(folder, "req", "-x509", *key, "-keyout", "ca.key", "-out", "ca.pem", "-subj", "/CN=test authority", "-days", "2",
            "-addext", "basicConstraints=critical,CA:TRUE", "-addext", "keyUsage=critical,keyCertSign")
    openssl(folder, "req", "-new", *key, "-keyout", "server.key", "-out", "server.csr", "-subj", "/CN=server")
    (folder / "server.ext").write_text(f"subjectAltName=DNS:{name}\nextendedKeyUsage=serverAuth\nkeyUsage=critical,digitalSignature\n")
    openssl(folder, "x509", "-req", "-in", "server.csr", "-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial", "-days", "2",
            "-extfile", "server.ext", "-out", "server.pem")
    return folder / "ca.pem"


class ListServer:
    """Serves the files of a folder on a port of loopback; can be stopped and started again on it."""

    def __init__(self, folder, certificates, port=0):
        self.folder, self.certificates, self.port = pathlib.Path(folder), pathlib.Path(certificates), port
        self.requests = []
        self.start()

    def start(self):
        owner = self

        class Handler(http.server.SimpleHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def __init__(self, *words):
                super().__init__(*words, directory=str(owner.folder))

            def do_GET(self):
                owner.requests.append((self.path, self.headers.get("accept")))
                super().do_GET()

            def log_message(self, *_):
                pass

        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.certificates / "server.pem", self.certificates / "server.key")

        class Server(http.server.ThreadingHTTPServer):
            daemon_threads = True
            request_queue_size = 128

            def finish_request(self, request, address):  # on the request's own thread
                request.settimeout(10)
                try:
                    secure = context.wrap_socket(request, server_side=True)
                except OSError:
                    return
                with secure:
                    super().finish_request(secure, address)

            def handle_error(self, *_):
                pass

        self.server = Server(("127.0.0.1", self.port), Handler)
        self.port = self.server.server_address[1]
        threading.Thread(target=self.server.serve_forever, args=(0.05,), daemon=True).start()

    def stop(self):
        self.server.shutdown()
        self.server.server_close()

    def url(self, name=""):
        return f"https://localhost:{self.port}/{name}"
