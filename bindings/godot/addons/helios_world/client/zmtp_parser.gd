extends RefCounted
## The server's half of a ZMTP 3.1 connection (NULL mechanism), from bytes to messages. No sockets.
##
## Lengths are compared before anything is kept. Whatever is no ZMTP sets `fault`, and nothing is read any more.

## Bytes of a whole message, and of a command.
const MAX_MESSAGE := (1 << 28) + (1 << 20)
const MAX_COMMAND := 1 << 16
## A prefix, a header and 8 buffers; a message of more parts is read and dropped.
const MAX_PARTS := 10
## Frames that one call of parse() takes, so that a flood of tiny ones cannot hold the thread.
const _FRAMES_AT_ONCE := 512
const _MOST_REPLIES := 1 << 16
const _GREETING := 64
const _MORE := 1
const _LONG := 2
const _COMMAND := 4

## Complete messages, each an Array[PackedByteArray]; the reader takes them out.
var messages: Array[Array] = []
## Bytes to be sent back (answers to PING); the reader takes them out.
var replies := PackedByteArray()
## The peer has sent its READY.
var is_ready := false
## How many messages had too many parts.
var dropped := 0
## Why the connection cannot go on; empty while all is well.
var fault := ""
## "connection" for a peer that speaks something else, "too_large" for a message above the limit.
var fault_code := ""

var _buffer := PackedByteArray()
var _at := 0
var _is_greeted := false
var _parts: Array[PackedByteArray] = []
var _part_count := 0
var _size := 0


## What this side sends first.
static func greeting() -> PackedByteArray:
	var bytes := PackedByteArray([0xFF, 0, 0, 0, 0, 0, 0, 0, 1, 0x7F, 3, 1])
	bytes.append_array("NULL".to_ascii_buffer())
	bytes.resize(_GREETING)
	return bytes


## The command READY of a DEALER without an identity.
static func ready() -> PackedByteArray:
	var body := PackedByteArray([5])
	body.append_array("READY".to_ascii_buffer())
	body.append(11)
	body.append_array("Socket-Type".to_ascii_buffer())
	body.append_array(PackedByteArray([0, 0, 0, 6]))
	body.append_array("DEALER".to_ascii_buffer())
	var frame := frame_head(body.size(), _COMMAND)
	frame.append_array(body)
	return frame


## The bytes before a frame of so many bytes.
static func frame_head(size: int, flags: int) -> PackedByteArray:
	if size < 256:
		return PackedByteArray([flags, size])
	var head := PackedByteArray([flags | _LONG])
	for shift: int in range(56, -1, -8):
		head.append((size >> shift) & 0xFF)
	return head


## The flags of a message's frame.
static func part_flags(is_last: bool) -> int:
	return 0 if is_last else _MORE


## Whether a frame has come in part.
func is_inside_frame() -> bool:
	return _at < _buffer.size()


func feed(data: PackedByteArray) -> void:
	if fault.is_empty():
		_buffer.append_array(data)


## Take what is complete out of the bytes so far; true if there may be more to take.
func parse() -> bool:
	var count := 0
	while fault.is_empty() and count < _FRAMES_AT_ONCE and _take_next():
		count += 1
	if _at > 0:
		_buffer = _buffer.slice(_at)
		_at = 0
	if fault:
		_buffer = PackedByteArray()
	return count == _FRAMES_AT_ONCE and fault.is_empty()


func _take_next() -> bool:
	return _take_frame() if _is_greeted else _take_greeting()


func _take_greeting() -> bool:
	var size := _buffer.size()
	if size > 0 and _buffer[0] != 0xFF or size > 9 and _buffer[9] != 0x7F:
		return _break("the peer does not speak ZMTP")
	if size > 10 and _buffer[10] < 3:
		return _break("the peer speaks ZMTP %d; 3 is needed" % _buffer[10])
	if size < _GREETING:
		return false
	var mechanism := _buffer.slice(12, 32)
	var expected := "NULL".to_ascii_buffer()
	expected.resize(20)
	if mechanism != expected:
		return _break("the server wants another security mechanism than NULL; engines reach it through a tunnel")
	_at = _GREETING
	_is_greeted = true
	return true


func _take_frame() -> bool:
	var available := _buffer.size() - _at
	if available < 2:
		return false
	var flags := _buffer[_at]
	if flags & 0xF8 or flags & _COMMAND and flags & _MORE:
		return _break("a frame with the flags %02x" % flags)
	var head := 9 if flags & _LONG else 2
	if available < head:
		return false
	var length := _buffer[_at + 1] if head == 2 else _long_length()
	if not _is_allowed(flags, length):
		return false
	if available < head + length:
		return false
	var body := _buffer.slice(_at + head, _at + head + length)
	_at += head + length
	if flags & _COMMAND:
		_take_command(body)
	else:
		_take_part(body, flags & _MORE != 0)
	return fault.is_empty()


func _long_length() -> int:
	var length := 0
	for number: int in range(1, 9):
		length = length << 8 | _buffer[_at + number]
	return length


func _is_allowed(flags: int, length: int) -> bool:
	if flags & _COMMAND:
		if length < 0 or length > MAX_COMMAND:
			return _break("a command of %d bytes" % length)
	elif not is_ready:
		return _break("a message before the handshake is over")
	elif length < 0 or length > MAX_MESSAGE - _size:
		var told := "2^63 or more" if length < 0 else str(length)
		return _break("a message with a part of %s bytes; at most %d in all" % [told, MAX_MESSAGE], "too_large")
	return true


func _take_part(body: PackedByteArray, has_more: bool) -> void:
	_part_count += 1
	_size += body.size()
	if _part_count <= MAX_PARTS:
		_parts.append(body)
	if has_more:
		return
	if _part_count <= MAX_PARTS:
		messages.append(_parts)
	else:
		dropped += 1
	_parts = []
	_part_count = 0
	_size = 0


func _take_command(body: PackedByteArray) -> void:
	var length := body[0] if body.size() > 0 else 0
	if length == 0 or length >= body.size() + 1 or length > body.size() - 1:
		_break("a command without a name")
		return
	var name := body.slice(1, 1 + length)
	if not is_ready:
		_take_ready(name, body.slice(1 + length))
	elif name == "PING".to_ascii_buffer():
		_take_ping(body.slice(1 + length))


func _take_ready(name: PackedByteArray, data: PackedByteArray) -> void:
	if name != "READY".to_ascii_buffer():
		_break("the peer refuses the handshake")
		return
	var kind := _property(data, "socket-type")
	if kind in ["ROUTER", "DEALER", "REP"]:
		is_ready = true
	else:
		_break("the peer's socket is %s, not a ROUTER" % ("of no type" if kind.is_empty() else kind))


func _take_ping(data: PackedByteArray) -> void:
	# Two bytes of time to live, then a context to be echoed.
	if data.size() < 2 or data.size() > 18:
		_break("a PING of %d bytes" % data.size())
	elif replies.size() < _MOST_REPLIES:
		replies.append_array(frame_head(5 + data.size() - 2, _COMMAND))
		replies.append(4)
		replies.append_array("PONG".to_ascii_buffer())
		replies.append_array(data.slice(2))


static func _property(data: PackedByteArray, wanted: String) -> String:
	var at := 0
	while at < data.size():
		var value_at := at + 1 + data[at] + 4
		if value_at > data.size():
			return ""
		var name := data.slice(at + 1, value_at - 4).get_string_from_ascii()
		var length := 0
		for number: int in range(value_at - 4, value_at):
			length = length << 8 | data[number]
		if length > data.size() - value_at:
			return ""
		if name.to_lower() == wanted:
			return data.slice(value_at, value_at + length).get_string_from_ascii()
		at = value_at + length
	return ""


func _break(why: String, code: String = "connection") -> bool:
	fault = why
	fault_code = code
	return false
