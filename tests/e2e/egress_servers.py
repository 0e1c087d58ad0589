"""What is outside of the sandbox: servers on this host that write down everything that reaches them.

usage: egress_servers.py DIRECTORY CERTIFICATE KEY [more]    (more: egress_more_servers.py)

Prints its ports as JSON, then serves DIRECTORY by HTTP and HTTPS, and echoes on a plain TCP port; also on this machine's
other addresses. What is seen goes to DIRECTORY/../observed, a line each: "http GET web.test:1234 /x", "tls web.test",
"tcp", "bytes …", "udp".
"""
import base64
import functools
import gzip
import http.server
import json
import socket
import ssl
import sys
import threading
import time

directory, certificate, key = sys.argv[1:4]
observed = open(directory + "/../observed", "a", buffering=1)
lock = threading.Lock()


def note(line):
    with lock:
        observed.write(line + "\n")


class Handler(http.server.SimpleHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def seen(self):
        note("http %s %s %s" % (self.command, self.headers.get("Host"), self.path))
        if self.headers.get("Authorization"):
            note("authorization " + self.headers["Authorization"])

    def echo(self):  # what it was sent, in the form that the path names
        form = self.path.partition("?")[2]
        body = str(self.headers).encode()
        if form == "base64":
            body = base64.b64encode(b"+" + body)
        if form == "gzip":
            body = gzip.compress(body)
        self.send_response(200)
        if form == "gzip":
            self.send_header("Content-Encoding", "gzip")
        if form == "header":
            self.send_header("X-Echo", self.headers.get("Authorization", ""))
        if form == "bytes":  # each in a packet and a chunk of its own
            self.send_header("Transfer-Encoding", "chunked")
            self.end_headers()
            for byte in body:
                self.wfile.write(b"1\r\n%c\r\n" % byte)
                self.wfile.flush()
            self.wfile.write(b"0\r\n\r\n")
            return
        if form == "close":  # until the connection ends
            self.send_header("Connection", "close")
            self.end_headers()
            self.wfile.write(body)
            self.close_connection = True
            return
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_GET(self):
        self.seen()
        if self.headers.get("Upgrade"):
            self.send_response(101)
            self.end_headers()
            return
        if self.path.startswith("/echo"):
            self.echo()
            return
        if self.path.startswith("/redirect?"):
            self.send_response(302)
            self.send_header("Location", self.path.partition("?")[2])
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        if self.path == "/slow":  # in parts, without a length
            self.send_response(200)
            self.send_header("Transfer-Encoding", "chunked")
            self.end_headers()
            for part in (b"one ", b"two"):
                self.wfile.write(b"%x\r\n%s\r\n" % (len(part), part))
            self.wfile.write(b"0\r\n\r\n")
            return
        if self.path == "/endless":  # its length is where the connection ends
            self.send_response(200)
            self.send_header("Connection", "close")
            self.end_headers()
            while True:
                self.wfile.write(b"more\n")
                time.sleep(0.05)
        super().do_GET()

    def do_HEAD(self):
        self.seen()
        super().do_HEAD()

    def do_POST(self):
        self.seen()
        if self.headers.get("Transfer-Encoding"):
            size = 0
            while True:
                chunk = int(self.rfile.readline(), 16)
                self.rfile.read(chunk + 2)
                size += chunk
                if chunk == 0:
                    break
        else:
            size = len(self.rfile.read(int(self.headers.get("Content-Length", 0))))
        body = b"got %d\n" % size
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args):
        pass


class Server(http.server.ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, *args):
        pass

    def verify_request(self, request, address):
        note("tcp")
        return True


def serve(server):
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server.server_address[1]


def echo(listener):
    while True:
        connection, _ = listener.accept()
        note("tcp")
        threading.Thread(target=talk, args=(connection,), daemon=True).start()


def talk(connection):
    with connection:
        connection.sendall(b"hello\n")
        while data := connection.recv(65536):
            note("bytes " + data[:40].hex())
            connection.sendall(data)


def datagrams(listener):
    while True:
        listener.recvfrom(65536)
        note("udp")


handler = functools.partial(Handler, directory=directory)
plain = Server(("0.0.0.0", 0), handler)
secure = Server(("127.0.0.1", 0), handler)
context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain(certificate, key)
context.sni_callback = lambda connection, name, _: note("tls %s" % name)
secure.socket = context.wrap_socket(secure.socket, server_side=True, do_handshake_on_connect=False)
tcp = socket.create_server(("127.0.0.1", 0))
udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
udp.bind(("0.0.0.0", 0))
threading.Thread(target=echo, args=(tcp,), daemon=True).start()
threading.Thread(target=datagrams, args=(udp,), daemon=True).start()
ports = {"http": serve(plain), "https": serve(secure), "tcp": tcp.getsockname()[1], "udp": udp.getsockname()[1]}
if sys.argv[4:] == ["more"]:
    import egress_more_servers
    ports.update(egress_more_servers.start(directory, certificate, key, note))
print(json.dumps(ports), flush=True)
sys.stdin.read()  # until whoever started us has gone
