"""Servers for clients that take more than HTTP/1.1: git over SSH, WebSockets, gRPC, HTTP/2. Imported by egress_servers.py."""
import asyncio
import os
import socket
import ssl
import subprocess
import threading


def ssh(directory, note):
    import paramiko

    class Session(paramiko.ServerInterface):
        def __init__(self):
            self.command = None
            self.asked = threading.Event()

        def get_allowed_auths(self, user):
            return "none"

        def check_auth_none(self, user):
            return paramiko.AUTH_SUCCESSFUL

        def check_channel_request(self, kind, channel):
            return paramiko.OPEN_SUCCEEDED

        def check_channel_exec_request(self, channel, command):
            self.command = command
            self.asked.set()
            return True

    key = paramiko.ECDSAKey.generate()
    listener = socket.create_server(("127.0.0.1", 0))

    def serve(connection):
        transport = paramiko.Transport(connection)
        transport.add_server_key(key)
        session = Session()
        transport.start_server(server=session)
        channel = transport.accept(20)
        if channel is None or not session.asked.wait(20):
            return
        note("ssh " + session.command.decode())
        git = subprocess.Popen(["git", "shell", "-c", session.command.decode()], stdin=subprocess.PIPE, stdout=subprocess.PIPE)

        def to_git():
            while data := channel.recv(65536):
                git.stdin.write(data)
                git.stdin.flush()
            git.stdin.close()
        threading.Thread(target=to_git, daemon=True).start()
        while data := git.stdout.read1(65536):
            channel.sendall(data)
        channel.send_exit_status(git.wait())
        channel.close()

    def accept():
        while True:
            threading.Thread(target=serve, args=(listener.accept()[0],), daemon=True).start()
    threading.Thread(target=accept, daemon=True).start()
    return listener.getsockname()[1]


def websocket(note, context=None):
    import websockets

    async def echo(connection, path):
        async for message in connection:
            note("websocket " + message)
            await connection.send("echo " + message)

    listener = socket.create_server(("127.0.0.1", 0))

    async def main():
        async with websockets.serve(echo, sock=listener, ssl=context):
            await asyncio.Future()
    threading.Thread(target=lambda: asyncio.run(main()), daemon=True).start()
    return listener.getsockname()[1]


def grpc_server(certificate, key, note):
    import concurrent.futures
    import grpc

    class Echo(grpc.GenericRpcHandler):
        def service(self, call):
            note("grpc " + call.method)
            return grpc.unary_unary_rpc_method_handler(lambda request, context: b"echo " + request)

    server = grpc.server(concurrent.futures.ThreadPoolExecutor(2))
    server.add_generic_rpc_handlers((Echo(),))
    credentials = grpc.ssl_server_credentials([(open(key, "rb").read(), open(certificate, "rb").read())])
    port = server.add_secure_port("127.0.0.1:0", credentials)
    server.start()
    return port, server


def http2(directory, certificate, key):
    script = os.path.join(os.path.dirname(os.path.abspath(__file__)), "http2_server.js")
    start.node = subprocess.Popen(["node", script, certificate, key, directory + "/../observed"], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    return int(start.node.stdout.readline())


def start(directory, certificate, key, note):
    port, server = grpc_server(certificate, key, note)
    start.kept = server
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    return {"ssh": ssh(directory, note), "websocket": websocket(note), "wss": websocket(note, context), "grpc": port, "h2": http2(directory, certificate, key)}
