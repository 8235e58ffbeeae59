"""The messages between a server of worlds and its clients, as bytes. No torch, no sockets.

bindings/PROTOCOL.md is the specification. `messages` has all messages and `values` what they are made of, `wire` their
bytes, `frames` the encodings of pictures, `errors` the codes; `golden` writes the examples in bindings/wire.
"""
