"""Calls a key provider through the client that protoc and gRPC's plug-in generate.

usage: keyprovider_client.py ADDRESS METHOD [CA KEY CERTIFICATE] < request > answer

Prints the status code's name and message on standard error, and ends with 1, when the call fails.
"""

import sys

import grpc
import keyprovider_pb2 as messages
import keyprovider_pb2_grpc as services


def read(path):
    with open(path, "rb") as file:
        return file.read()


address, method, *tls = sys.argv[1:]
if tls:
    credentials = grpc.ssl_channel_credentials(*(read(path) if path else None for path in tls))
    channel = grpc.secure_channel(address, credentials)
else:
    channel = grpc.insecure_channel(address)
stub = services.KeyProviderServiceStub(channel)
request = messages.keyProviderKeyWrapProtocolInput(
    KeyProviderKeyWrapProtocolInput=sys.stdin.buffer.read()
)
try:
    answer = getattr(stub, method)(request, timeout=60)
except grpc.RpcError as error:
    print(error.code().name, error.details(), file=sys.stderr)
    sys.exit(1)
sys.stdout.buffer.write(answer.KeyProviderKeyWrapProtocolOutput)
