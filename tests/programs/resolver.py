"""A name server for tests, in namespaces of its own: resolver.py COMMAND [ARGUMENT...]

Run it under `unshare -rnm`. It serves 127.0.0.1:53 (UDP and TCP) and systemd-resolved's varlink socket, points
resolv.conf there, runs the command and ends with its status. What it says about each name is below.
"""
import json
import os
import socket
import struct
import subprocess
import sys
import tempfile
import threading
import time

A, CNAME, AAAA = 1, 5, 28
ADDRESSES = {
    "one.test": ["127.0.1.1"],
    "edge.test": ["127.0.1.2"],
    "twin-a.test": ["127.0.1.3"],
    "twin-b.test": ["127.0.1.3"],
    "liar.test": ["127.0.1.4"],  # and speaks of bank.test
    "forged.test": ["127.0.1.6"],  # preceded by an answer with a wrong number
    "big.test": ["127.0.2.%d" % i for i in range(1, 61)],  # too big for a datagram
    "six.test": ["::1"],
}
ALIASES = {"www.test": "cdn.test", "cdn.test": "edge.test"}


def wire(name):
    return b"".join(bytes([len(label)]) + label.encode() for label in name.split(".")) + b"\0"


def record(owner, kind, data):
    return wire(owner) + struct.pack("!HHIH", kind, 1, 60, len(data)) + data


def address_records(name, kind):
    family = socket.AF_INET if kind == A else socket.AF_INET6
    wanted = [a for a in ADDRESSES.get(name, []) if (":" in a) == (kind == AAAA)]
    return [record(name, kind, socket.inet_pton(family, a)) for a in wanted]


def answers(query, datagram):
    """The messages to send back, in their order."""
    number = struct.unpack("!H", query[:2])[0]
    labels, at = [], 12
    while query[at]:
        labels.append(query[at + 1:at + 1 + query[at]].decode())
        at += 1 + query[at]
    asked = ".".join(labels)
    kind = struct.unpack("!H", query[at + 1:at + 3])[0]
    question = query[12:at + 5]

    def message(flags, records, number=number):
        return struct.pack("!HHHHHH", number, flags, 1, len(records), 0, 0) + question + b"".join(records)

    name, records = asked.lower(), []
    while name in ALIASES:
        records.append(record(name, CNAME, wire(ALIASES[name])))
        name = ALIASES[name]
    if name not in ADDRESSES:
        return [message(0x8183, records)]
    records += address_records(name, kind)
    if datagram and len(message(0x8180, records)) > 512:
        return [message(0x8380, [])]
    if name == "liar.test":
        records.append(record("bank.test", A, socket.inet_aton("127.0.1.5")))
    whole = message(0x8180, records)
    if name == "forged.test":
        return [message(0x8180, [record(name, A, socket.inet_aton("127.0.1.66"))], number ^ 1), whole]
        return [struct.pack("!HHHHHH", number, 0x8180, 1, 1, 0, 0) + b"\xc0\x0c\0\1\0\1" * 2, whole]
    return [whole]


def serve_datagrams(server):
    while True:
        query, peer = server.recvfrom(4096)
        for answer in answers(query, True):
            server.sendto(answer, peer)


def serve_streams(server):
    while True:
        connection, _ = server.accept()
        with connection:
            while True:
                size = connection.recv(2, socket.MSG_WAITALL)
                if len(size) < 2:
                    break
                query = connection.recv(struct.unpack("!H", size)[0], socket.MSG_WAITALL)
                for answer in answers(query, False):
                    connection.sendall(struct.pack("!H", len(answer)) + answer)


def serve_varlink(server):
    while True:
        connection, _ = server.accept()
        with connection:
            pending = b""
            while True:
                piece = connection.recv(4096)
                if not piece:
                    break
                pending += piece
                while b"\0" in pending:
                    call, pending = pending.split(b"\0", 1)
                    name = json.loads(call)["parameters"]["name"]
                    if name in ADDRESSES:
                        found = [{"ifindex": 1, "family": 2, "address": list(socket.inet_aton(a))}
                                 for a in ADDRESSES[name]]
                        reply = {"parameters": {"addresses": found, "name": "canonical.test", "flags": 1}}
                    else:
                        reply = {"error": "io.systemd.Resolve.DNSError", "parameters": {"rcode": 3}}
                    text = json.dumps(reply).encode() + b"\0"
                    connection.sendall(text[:7])
                    connection.sendall(text[7:])


def main():
    work = tempfile.mkdtemp()
    subprocess.run(["mount", "-t", "tmpfs", "tmpfs", work], check=True)
    for name, text in (("resolv.conf", "nameserver 127.0.0.1\noptions timeout:2 attempts:2 %s\n" %
                        os.environ.get("RESOLVER_OPTIONS", "")),
                       ("nsswitch.conf", "hosts: files dns\n")):
        with open(os.path.join(work, name), "w") as out:
            out.write(text)
        subprocess.run(["mount", "--bind", os.path.join(work, name), os.path.realpath("/etc/" + name)], check=True)
    subprocess.run(["mount", "-t", "tmpfs", "tmpfs", "/run"], check=True)
    os.makedirs("/run/systemd/resolve")
    import fcntl
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
        fcntl.ioctl(any_socket, 0x8914, struct.pack("16sH14x", b"lo", 0x1 | 0x40))  # SIOCSIFFLAGS, up and running
    datagrams = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    datagrams.bind(("127.0.0.1", 53))
    streams = socket.create_server(("127.0.0.1", 53))
    varlink = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    varlink.bind("/run/systemd/resolve/io.systemd.Resolve")
    varlink.listen()
    for serve, server in ((serve_datagrams, datagrams), (serve_streams, streams), (serve_varlink, varlink)):
        threading.Thread(target=serve, args=(server,), daemon=True).start()
    status = subprocess.run(sys.argv[1:]).returncode
    subprocess.run(["umount", "-l", work], check=True)
    os.rmdir(work)
    time.sleep(0.5)  # whoever is the last to leave these mounts takes away what links in them mean to the collector
    sys.exit(status)


main()
