"""What attacks are made of, with and without Treadline. Failing is the attack's normal end."""
import ctypes
import os
import socket
import struct
import sys

MARK = b"SECRET"
sys.excepthook = lambda kind, value, _: print(kind.__name__, value, file=sys.stderr)
socket.setdefaulttimeout(3)


def quietly(function, *arguments):
    try:
        return function(*arguments)
    except (OSError, UnicodeError) as e:
        return e


def tcp(host, port, *parts):
    """Sends the parts as segments of their own; what comes back first."""
    with socket.create_connection((host, port), 3) as s:
        s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for part in parts or (MARK,):
            s.sendall(part)
        s.shutdown(socket.SHUT_WR)
        answer = b""
        try:
            while part := s.recv(4096):
                answer += part
        except OSError:
            pass
        return answer


def udp(host, port, data=MARK, family=socket.AF_INET):
    with socket.socket(family, socket.SOCK_DGRAM) as s:
        s.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
        s.sendto(data, (host, port))


def resolver():
    return next(line.split()[1] for line in open("/etc/resolv.conf") if line.startswith("nameserver"))


def question(name, kind, klass=1):
    """`name`: labels in a list, or text that is split at its dots."""
    labels = name if isinstance(name, list) else name.split(".")
    wire = b"".join(bytes([len(l)]) + l for l in (l if isinstance(l, bytes) else l.encode() for l in labels)) + b"\0"
    return struct.pack(">6H", 7, 0x100, 1, 0, 0, 0) + wire + struct.pack(">2H", kind, klass)


def dns(name, kind=1, server=None, klass=1):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
        s.connect((server or resolver(), 53))
        s.send(question(name, kind, klass))
        return s.recv(4096)


def dns_tcp(name, kind=1, server=None):
    q = question(name, kind)
    with socket.create_connection((server or resolver(), 53), 3) as s:
        s.sendall(struct.pack(">H", len(q)) + q)
        return s.recv(4096)


def look_up(name):
    return socket.getaddrinfo(name, 80, type=socket.SOCK_STREAM)


def http(host, *requests, port=80):
    """Raw requests, each `\\n` as CRLF."""
    return tcp(host, port, *[r.replace("\n", "\r\n").encode("latin-1") for r in requests])


def extension(kind, body):
    return struct.pack(">HH", kind, len(body)) + body


def names(*hosts, kind=0):
    entries = b"".join(struct.pack(">BH", kind, len(h)) + h for h in hosts)
    return extension(0, struct.pack(">H", len(entries)) + entries)


def hello(*extensions, record=16384):
    """A ClientHello; in records of at most `record` bytes."""
    versions = extension(43, b"\x02\x03\x04")
    groups = extension(10, b"\0\x02\0\x1d")
    algorithms = extension(13, b"\0\x02\x04\x03")
    share = extension(51, struct.pack(">HHH", 36, 29, 32) + b"\x07" * 32)
    all_of_them = b"".join(extensions) + versions + groups + algorithms + share
    body = b"\x03\x03" + MARK * 5 + b"\0\0" + b"\0" + b"\0\x02\x13\x01" + b"\x01\0" + struct.pack(">H", len(all_of_them)) + all_of_them
    handshake = b"\x01" + struct.pack(">I", len(body))[1:] + body
    return b"".join(b"\x16\x03\x01" + struct.pack(">H", len(part)) + part
                    for part in (handshake[at:at + record] for at in range(0, len(handshake), record)))


def own_loopback_server(port):
    return socket.create_server(("0.0.0.0", port))
