"""A whole world outside, in namespaces of the test's own, and everything that is sent into it.

usage: outside_world.py RESOLV_CONF    (started by: unshare --user --map-current-user --keep-caps --net --mount)

Every address of the internet is this network's loopback, so whatever is sent to wherever arrives here, is seen by a
packet socket, and is answered: by a DNS server that knows the names below (and any name below wild.test), HTTP on port 80,
TLS's first flight on 443, an echo on the other ports of SERVED. Reads commands, JSON, a line each: {"argv": [...], "env":
{...}, "cwd": "..."}; runs them without any capability; answers with {"status", "out", "err", "seen": [...]}. What is seen is
"tcp ADDRESS PORT", "udp ADDRESS PORT", "icmp ADDRESS", "dns NAME TYPE", "said PORT HEX… BYTES", "other PROTOCOL".
"""
import ctypes
import fcntl
import json
import os
import socket
import struct
import subprocess
import sys
import threading
import time

PUBLIC, PUBLIC6 = "93.184.216.34", "2606:2800:220:1::34"
NAMES = {
    "web.test": [PUBLIC], "other.test": [PUBLIC], "six.test": [PUBLIC6], "evil.test": ["93.184.216.66"],
    "loop.test": ["127.0.0.1"], "private.test": ["10.1.2.3"], "metadata.test": ["169.254.169.254"], "link6.test": ["fe80::1"],
    "unique6.test": ["fd00::1"], "mapped.test": ["::ffff:10.1.2.3"], "nat64.test": ["64:ff9b::a01:203"], "mixed.test": [PUBLIC, "192.168.1.1"],
    "any.test": ["0.0.0.0"], "shared.test": ["100.64.0.1"], "multicast.test": ["224.0.0.1"], "azure.test": ["168.63.129.16"],
}
ALIASES = {"alias.test": "private.test", "alias-public.test": "evil.test"}
SERVED = (22, 53, 80, 443, 853, 8080, 5432)
TYPES = {1: "A", 28: "AAAA", 16: "TXT", 10: "NULL", 255: "ANY", 12: "PTR", 65: "HTTPS", 64: "SVCB", 5: "CNAME"}

seen, lock = [], threading.Lock()
rebinding = [0]


def note(line):
    with lock:
        seen.append(line)


def netlink(kind, body):
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 0) as s:
        s.send(struct.pack("=IHHII", 16 + len(body), kind, 0x605, 1, 0) + body)  # request, ack, create, replace
        answer = s.recv(4096)
        error = struct.unpack_from("=i", answer, 16)[0]
        if error:
            raise OSError(-error, "netlink")


def make_everything_local():
    with socket.socket() as s:
        request = struct.pack("16sh22x", b"lo", 0x41)  # IFF_UP | IFF_RUNNING
        fcntl.ioctl(s, 0x8914, request)
    for family in (socket.AF_INET, socket.AF_INET6):
        rtmsg = struct.pack("=BBBBBBBBI", family, 0, 0, 0, 254, 3, 254, 2, 0)  # table main, scope host, type local
        netlink(24, rtmsg + struct.pack("=HHi", 8, 4, 1))  # RTM_NEWROUTE, RTA_OIF lo


def answer_dns(query):
    labels, at = [], 12
    while query[at]:
        labels.append(query[at + 1:at + 1 + query[at]].decode("latin-1"))
        at += 1 + query[at]
    kind = struct.unpack_from(">H", query, at + 1)[0]
    question = query[12:at + 5]
    name = ".".join(labels).lower()
    note("dns %s %s" % (name, TYPES.get(kind, kind)))
    target = ALIASES.get(name, name)
    addresses = NAMES.get(target, [])
    if target == "rebind.test":  # another answer each time
        rebinding[0] += kind == 1
        addresses = [PUBLIC] if rebinding[0] % 2 else ["127.0.0.1"]
    if target.endswith("slow.test"):
        time.sleep(20)
    if target.endswith("wild.test"):
        addresses = [PUBLIC]
    records, owner = [], b"\xc0\x0c"
    if target != name:
        owner = wire = b"".join(bytes([len(l)]) + l.encode() for l in target.split(".")) + b"\0"
        records.append(b"\xc0\x0c" + struct.pack(">HHIH", 5, 1, 1, len(wire)) + wire)
    for address in addresses:
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        if kind == (28 if family == socket.AF_INET6 else 1):
            data = socket.inet_pton(family, address)
            records.append(owner + struct.pack(">HHIH", kind, 1, 1, len(data)) + data)
    code = 0 if addresses else 3
    return query[:2] + struct.pack(">HHHHH", 0x8180 | code, 1, len(records), 0, 0) + question + b"".join(records)


def serve_dns():
    s = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
    s.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
    s.setsockopt(socket.IPPROTO_IPV6, 49, 1)  # IPV6_RECVPKTINFO: the answer has to come from where it was asked
    s.bind(("::", 53))

    def one(query, control, peer):
        try:
            s.sendmsg([answer_dns(query)], control, 0, peer)
        except (OSError, IndexError):
            pass
    while True:
        query, control, _, peer = s.recvmsg(4096, 256)
        info = [(l, t, d[:16] + b"\0\0\0\0") for l, t, d in control]
        threading.Thread(target=one, args=(query, info, peer), daemon=True).start()


def talk(connection, port):
    with connection:
        connection.settimeout(20)
        try:
            if port not in (80, 443, 53, 853):
                connection.sendall(b"hello\n")
            whole = b""
            while port == 443 and (data := connection.recv(65536)):  # however it was split
                whole += data
            while data := whole or connection.recv(65536):
                note("said %d %s %d" % (port, data[:300].hex(), len(data)))
                if port == 80 or port == 8080 and data[4:5] == b"/":
                    connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nhello\n")
                elif port == 443:
                    connection.sendall(b"\x15\x03\x03\x00\x02\x02\x28")  # handshake_failure: the hello is what is looked at
                    return
                elif port == 53:
                    answer = answer_dns(data[2:])
                    connection.sendall(struct.pack(">H", len(answer)) + answer)
                else:
                    connection.sendall(data)
        except OSError:
            pass


def serve_tcp(port):
    listener = socket.create_server(("::", port), family=socket.AF_INET6, dualstack_ipv6=True, backlog=512)
    while True:
        connection, _ = listener.accept()
        threading.Thread(target=talk, args=(connection, port), daemon=True).start()


def sniff():
    s = socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, socket.htons(3))
    s.bind(("lo", 3))
    while True:
        packet, (_, kind, direction, _, _) = s.recvfrom(65536)
        if direction == 4:  # outgoing; each comes in as well
            continue
        if kind == 0x800:
            protocol, to, rest = packet[9], socket.inet_ntop(socket.AF_INET, packet[16:20]), packet[(packet[0] & 15) * 4:]
        elif kind == 0x86DD:
            protocol, to, rest = packet[6], socket.inet_ntop(socket.AF_INET6, packet[24:40]), packet[40:]
        else:
            note("other 0x%x" % kind)
            continue
        if protocol == 6:
            if rest[13] & 0x12 == 2:  # SYN without ACK
                note("tcp %s %d" % (to, struct.unpack_from(">H", rest, 2)[0]))
        elif protocol == 17:
            source, port = struct.unpack_from(">HH", rest)
            if source != 53:
                note("udp %s %d" % (to, port))
        elif protocol in (1, 58):
            if rest[0] in (8, 128):
                note("icmp %s" % to)
        else:
            note("other %d" % protocol)


def drop_everything():
    libc = ctypes.CDLL(None)
    libc.prctl(47, 4, 0, 0, 0)  # PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL: with them go all at the execve of an ordinary user


make_everything_local()
libc = ctypes.CDLL(None, use_errno=True)
with open(sys.argv[1], "w") as f:
    f.write("nameserver 127.0.0.1\noptions timeout:1 attempts:1\n")
if libc.mount(sys.argv[1].encode(), os.path.realpath("/etc/resolv.conf").encode(), None, 4096, None) != 0:
    raise OSError(ctypes.get_errno(), "mount")
for work, arguments in [(serve_dns, ()), (sniff, ())] + [(serve_tcp, (port,)) for port in SERVED]:
    threading.Thread(target=work, args=arguments, daemon=True).start()
time.sleep(0.2)
print("{}", flush=True)
for line in sys.stdin:
    command = json.loads(line)
    with lock:
        seen.clear()
    done = subprocess.run(command["argv"], cwd=command["cwd"], env={**os.environ, **command["env"]}, stdin=subprocess.DEVNULL,
                          capture_output=True, timeout=100, preexec_fn=drop_everything)
    time.sleep(0.05)  # for what is still on its way to the packet socket
    with lock:
        answer = {"status": done.returncode, "out": done.stdout.decode("latin-1"), "err": done.stderr.decode("latin-1"), "seen": list(seen)}
    print(json.dumps(answer), flush=True)
