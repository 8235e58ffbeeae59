extends RefCounted
## A server of the protocol that answers as a test wants it to. Polled by the test, on the main thread.

const Messages := preload("res://addons/helios_world/client/messages.gd")
const Parser := preload("res://addons/helios_world/client/zmtp_parser.gd")

const SID := "00112233445566778899aabbccddeeff"

## Takes a header, gives the headers of the answers. What is there for "hang up" ends the connection, and for "nonsense"
## is no ZMTP, in one piece with the answers before.
var answer: Callable
## Headers of all messages but PING.
var heard: Array[Dictionary] = []
var address := ""
## Bytes that one poll() reads.
var appetite := 1 << 30

var _tcp := TCPServer.new()
var _peer: StreamPeerTCP
var _parser: Parser
var _templates := {}


## wire: the folder with an example of every message.
func _init(wire: String) -> void:
	_tcp.listen(0, "127.0.0.1")
	address = "tcp://127.0.0.1:%d" % _tcp.get_local_port()
	for type: String in ["welcome", "opened", "chunk", "state", "done", "closed", "pong", "error", "bye"]:
		_templates[type.to_upper()] = _header_of(FileAccess.get_file_as_bytes(wire.path_join(type + ".bin")))


## The header of an example message, with these keys.
func made(type: String, keys: Dictionary) -> Dictionary:
	var header: Dictionary = _templates[type].duplicate(true)
	header.merge(keys, true)
	return header


## What a good server answers. The session has had no request.
func usual(asked: Dictionary) -> Array:
	var next: int = asked.get("last_seq", 0) + 1
	var answers := {
		"HELLO": ["WELCOME", {"heartbeat_s": 10.0, "max_message": 1 << 28}],
		"OPEN": ["OPENED", {"next_seq": 1, "epoch": 0, "index": 0, "parent": null}],
		"RESUME": ["OPENED", {"next_seq": next, "epoch": 0, "index": 0, "parent": null}],
		"RESET": ["CHUNK", {"epoch": 1, "index": 0}],
		"SNAPSHOT": ["STATE", {}],
		"RESTORE": ["DONE", {"epoch": 1}],
		"CLOSE": ["CLOSED", {}],
	}
	var found: Array = answers.get(asked["t"], [])
	return [made(found[0], {"seq": asked["seq"], "sid": SID}.merged(found[1]))] if found else []


func count(type: String) -> int:
	return heard.filter(func(header: Dictionary) -> bool: return header["t"] == type).size()


func newest(type: String) -> Dictionary:
	return heard.filter(func(header: Dictionary) -> bool: return header["t"] == type)[-1]


func poll() -> void:
	if _tcp.is_connection_available():
		_peer = _tcp.take_connection()
		_peer.set_no_delay(true)
		_parser = Parser.new()
		_peer.put_data(Parser.greeting() + Parser.ready())
	if _peer == null:
		return
	_peer.poll()
	if _peer.get_status() == StreamPeerTCP.STATUS_CONNECTED and _peer.get_available_bytes() > 0:
		_parser.feed(_peer.get_partial_data(mini(_peer.get_available_bytes(), appetite))[1] as PackedByteArray)
	while _parser.parse():
		pass
	var came := _parser.messages
	_parser.messages = []
	for parts: Array[PackedByteArray] in came:
		_take(Messages.header_of(parts))


func send(header: Dictionary) -> void:
	_peer.put_data(_bytes_of(header))


static func _bytes_of(header: Dictionary) -> PackedByteArray:
	var bytes := PackedByteArray()
	var parts := Messages.pack(header, _buffers_of(header))
	for number: int in parts.size():
		var flags := Parser.part_flags(number == parts.size() - 1)
		bytes.append_array(Parser.frame_head(parts[number].size(), flags))
		bytes.append_array(parts[number])
	return bytes


func hang_up() -> void:
	_peer.disconnect_from_host()
	_peer = null


func stop() -> void:
	_tcp.stop()
	_peer = null


func _take(header: Dictionary) -> void:
	if header["t"] == "PING":
		send(made("PONG", {"n": header["n"], "busy_since": null, "queue": 0}))
		return
	heard.append(header)
	var bytes := PackedByteArray()
	for reply: Dictionary in answer.call(header):
		if reply.has("hang up"):
			hang_up()
			return
		bytes.append_array(PackedByteArray([0x80, 0]) if reply.has("nonsense") else _bytes_of(reply))
	_peer.put_data(bytes)


## Zeros, as long as the header says.
static func _buffers_of(header: Dictionary) -> Array[PackedByteArray]:
	var buffers: Array[PackedByteArray] = []
	for part: Dictionary in header.get("parts", []):
		var size: int = part["bytes"] if part.has("bytes") else 1
		for side: int in part.get("shape", []):
			size *= side
		var buffer := PackedByteArray()
		buffer.resize(size)
		buffers.append(buffer)
	return buffers


static func _header_of(bytes: PackedByteArray) -> Dictionary:
	var parts: Array[PackedByteArray] = []
	var at := 4
	for _number: int in bytes.decode_u32(0):
		var size := bytes.decode_u32(at)
		parts.append(bytes.slice(at + 4, at + 4 + size))
		at += 4 + size
	return Messages.header_of(parts)
