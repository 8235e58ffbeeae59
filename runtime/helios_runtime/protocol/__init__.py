"""The messages between a server of worlds and its clients, as bytes. No torch, no sockets.

bindings/PROTOCOL.md is the specification.
"""
