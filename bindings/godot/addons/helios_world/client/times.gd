extends RefCounted
## How long the client waits for what, in seconds. Set before the client begins to connect.

## A request without an answer is repeated after so long.
var repeat := 5.0
## A call takes at most so long.
var timeout := 30.0
## TCP and ZMTP must have greeted each other, and the server must have answered HELLO, after so long.
var handshake := 10.0
## Between two tries to connect, at first and at most.
var backoff_least := 0.25
var backoff_most := 5.0
## How long the end of a client waits for its sessions to be closed.
var farewell := 0.5


## Monotonic seconds.
static func now() -> float:
	return Time.get_ticks_usec() * 1e-6
