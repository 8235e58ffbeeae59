extends RefCounted
## The server's messages, checked. read() gives one of the classes below, or null for what cannot be read.

const Fields := preload("fields.gd")
const Msgpack := preload("msgpack.gd")

const VERSION := 1
const MAX_HEADER := 1 << 16
const MAX_FRAMES := 1 << 28
const MAX_BUFFERS := 8
const _PREFIX := [0x48, 0x57, VERSION, 0]


class Message:
	extends RefCounted
	## The request that it answers; 0: none.
	var seq := 0
	## The session; "": none.
	var sid := ""
	var buffers: Array[PackedByteArray] = []


class Welcome:
	extends Message
	var version := 0
	var server := ""
	var worlds := PackedStringArray()
	var capabilities := PackedStringArray()
	var max_message := 0
	var heartbeat_s := 1.0
	var world: HeliosSpec


class Opened:
	extends Message
	var token := ""
	var epoch := 0
	var next_seq := 1
	var index := 0
	var parent := ""
	var world: HeliosSpec


class Chunk:
	extends Message
	var part := 0
	var of := 1
	var frames := 1
	## All but the images; of the whole chunk when it is the last message.
	var chunk := HeliosChunk.new()


## STATE and DONE.
class Outcome:
	extends Message
	var type := ""
	var epoch := 0
	var index := 0
	var path := ""


class Closed:
	extends Message


class Pong:
	extends Message
	var n := 0
	## Seconds; -1: the device is idle.
	var busy_since := -1.0
	var queue := 0


class Failure:
	extends Message
	var error: HeliosError


class Bye:
	extends Message
	var reason := ""
	var resumable := false


## The parts of a message to be sent.
static func pack(header: Dictionary, buffers: Array[PackedByteArray] = []) -> Array[PackedByteArray]:
	var parts: Array[PackedByteArray] = [PackedByteArray(_PREFIX), Msgpack.encode(header)]
	parts.append_array(buffers)
	return parts


## The header of a message's parts; {} when they are no message of this version.
static func header_of(parts: Array[PackedByteArray]) -> Dictionary:
	if parts.size() < 2 or parts.size() > 2 + MAX_BUFFERS or parts[1].size() > MAX_HEADER:
		return {}
	var prefix := parts[0]
	if prefix.size() != 4 or prefix.slice(0, 3) != PackedByteArray(_PREFIX).slice(0, 3):
		return {}
	var header: Variant = Msgpack.new(parts[1]).decode()
	return header if typeof(header) == TYPE_DICTIONARY else {}


## The message in these parts; null for one that cannot be read, or of a type that is not known.
static func read(parts: Array[PackedByteArray]) -> Message:
	var header := header_of(parts)
	var fields := Fields.new(header)
	var message := _read_fields(str(header.get("t", "")), fields)
	if message == null or fields.is_faulty():
		return null
	message.buffers = parts.slice(2)
	if not _describes(header.get("parts", []), message.buffers):
		return null
	return message


static func _read_fields(type: String, fields: Fields) -> Message:
	match type:
		"WELCOME":
			return _read_welcome(fields)
		"OPENED":
			return _read_opened(fields)
		"CHUNK":
			return _read_chunk(fields)
		"STATE", "DONE":
			return _read_outcome(type, fields)
		"CLOSED":
			return _identify(Closed.new(), fields)
		"PONG":
			return _read_pong(fields)
		"ERROR":
			return _read_failure(fields)
		"BYE":
			return _read_bye(fields)
	return null


static func _identify(message: Message, fields: Fields) -> Message:
	message.sid = fields.identifier("sid", 32)
	message.seq = fields.integer("seq", 1, Fields.COUNT)
	return message


static func _read_welcome(fields: Fields) -> Message:
	var welcome := Welcome.new()
	welcome.seq = fields.integer("seq", 1, Fields.COUNT)
	welcome.version = fields.integer("version", 0, Fields.COUNT)
	welcome.server = fields.text("server", 256)
	welcome.worlds = fields.texts("worlds", 256, 256)
	welcome.capabilities = fields.texts("capabilities", 256, 64, 1)
	welcome.max_message = fields.integer("max_message", 0, Fields.COUNT)
	welcome.heartbeat_s = fields.number("heartbeat_s", 1e-9)
	fields.number("idle_s", 1e-9)
	fields.maybe_number("lifetime_s", 1e-9, 0.0)
	fields.integer("session_limit", 0, Fields.COUNT)
	welcome.world = HeliosSpec.read(fields.map("world"))
	if welcome.worlds.is_empty():
		fields.refuse()
	return welcome


static func _read_opened(fields: Fields) -> Message:
	var opened := Opened.new()
	_identify(opened, fields)
	opened.token = fields.identifier("token", 64)
	opened.epoch = fields.integer("epoch", 0, Fields.COUNT, 0)
	opened.next_seq = fields.integer("next_seq", 1, Fields.COUNT, 1)
	opened.index = fields.integer("index", 0, Fields.COUNT, 0)
	opened.parent = fields.maybe_identifier("parent", 32)
	opened.world = HeliosSpec.read(fields.map("world"))
	return opened


static func _read_chunk(fields: Fields) -> Message:
	var message := Chunk.new()
	var chunk := message.chunk
	message.sid = fields.identifier("sid", 32)
	message.seq = fields.maybe_integer("seq", 1, 0)
	message.part = fields.integer("part", 0, Fields.COUNT, 0)
	message.of = fields.integer("of", 1, 4096, 1)
	message.frames = fields.integer("frames", 1, 4096)
	chunk.epoch = fields.integer("epoch", 0, Fields.COUNT)
	chunk.index = fields.integer("index", 0, Fields.COUNT)
	chunk.first_frame = fields.integer("first_frame", 0, Fields.COUNT)
	chunk.height = fields.integer("height", 1, 8192)
	chunk.width = fields.integer("width", 1, 8192)
	chunk.encoding = fields.choice("encoding", ["rgb24", "jpeg", "h264"])
	chunk.action = HeliosAction.read(fields.map("action"))
	chunk.prompt = _read_prompt(fields)
	chunk.timing = _read_timing(fields.map("timing"))
	chunk.queue_ms = fields.number("queue_ms", 0.0) if fields.has("queue_ms") else 0.0
	chunk.input_ms = fields.maybe_number("input_ms", 0.0, -1.0)
	chunk.applied = fields.maybe_integer("applied", 1, 0)
	fields.maybe_number("client_time", -INF, 0.0)
	if message.part >= message.of or not _has_frames(message, fields.list("parts", MAX_BUFFERS)):
		fields.refuse()
	return message


## Whether the one part is the frames that the header tells of, and these are not too many.
static func _has_frames(message: Chunk, described: Array) -> bool:
	var shape := [message.frames, message.chunk.height, message.chunk.width, 3]
	if described.size() != 1 or shape[0] * shape[1] * shape[2] * 3 > MAX_FRAMES:
		return false
	if typeof(described[0]) != TYPE_DICTIONARY:
		return false
	if message.chunk.encoding == "rgb24":
		var told: Variant = described[0].get("shape")
		return typeof(told) == TYPE_ARRAY and told == shape
	return described[0].has("bytes")


static func _read_prompt(fields: Fields) -> Array[Array]:
	var pairs: Array[Array] = []
	for pair: Variant in fields.list("prompt", 256):
		var is_pair: bool = typeof(pair) == TYPE_ARRAY and pair.size() == 2 and typeof(pair[0]) == TYPE_STRING
		if not is_pair or not typeof(pair[1]) in [TYPE_INT, TYPE_FLOAT]:
			fields.refuse()
			break
		if pair[0].length() > 2000 or pair[1] < 0 or pair[1] > 1:
			fields.refuse()
		pairs.append([pair[0], float(pair[1])])
	return pairs


static func _read_timing(fields: Fields) -> Dictionary:
	var stages := []
	for stage: Variant in fields.list("denoise", 16):
		if not typeof(stage) in [TYPE_INT, TYPE_FLOAT] or stage < 0:
			fields.refuse()
			break
		stages.append(float(stage))
	return {
		"encode": fields.number("encode", 0.0),
		"denoise": stages,
		"decode": fields.number("decode", 0.0),
		"total": fields.number("total", 0.0),
	}


static func _read_outcome(type: String, fields: Fields) -> Message:
	var outcome := Outcome.new()
	_identify(outcome, fields)
	outcome.type = type
	outcome.epoch = fields.integer("epoch", 0, Fields.COUNT)
	outcome.index = fields.integer("index", 0, Fields.COUNT)
	if fields.has("path"):
		outcome.path = fields.text("path", 4096)
	if type == "STATE" and fields.list("parts", MAX_BUFFERS).size() != 1:
		fields.refuse()
	return outcome


static func _read_pong(fields: Fields) -> Message:
	var pong := Pong.new()
	pong.n = fields.integer("n", 0, Fields.COUNT)
	pong.busy_since = fields.maybe_number("busy_since", 0.0, -1.0)
	pong.queue = fields.integer("queue", 0, Fields.COUNT)
	fields.number("server_time")
	fields.integer("sessions", 0, Fields.COUNT)
	fields.maybe_number("client_time", -INF, 0.0)
	return pong


static func _read_failure(fields: Fields) -> Message:
	var failure := Failure.new()
	failure.seq = fields.maybe_integer("seq", 1, 0)
	failure.sid = fields.maybe_identifier("sid", 32)
	var code := fields.text("code", 64, 1)
	failure.error = HeliosError.of(code, fields.text("message", 4096), fields.boolean("retryable"))
	if fields.has("details"):
		fields.map("details")
	return failure


static func _read_bye(fields: Fields) -> Message:
	var bye := Bye.new()
	bye.sid = fields.maybe_identifier("sid", 32)
	bye.reason = fields.text("reason", 64, 1)
	bye.resumable = fields.boolean("resumable")
	return bye


## Whether the buffers are as long as the header's parts say.
static func _describes(described: Variant, buffers: Array[PackedByteArray]) -> bool:
	if typeof(described) != TYPE_ARRAY or described.size() != buffers.size():
		return false
	for number: int in buffers.size():
		if _part_size(described[number]) != buffers[number].size():
			return false
	return true


## The bytes of one of the header's parts; -1 if it is none.
static func _part_size(part: Variant) -> int:
	if typeof(part) != TYPE_DICTIONARY:
		return -1
	if part.has("bytes"):
		return part["bytes"] if part.size() == 1 and typeof(part["bytes"]) == TYPE_INT else -1
	var is_array: bool = part.get("dtype", "u1") is String and part.get("dtype", "u1") == "u1"
	var shape: Variant = part.get("shape")
	if not is_array or typeof(shape) != TYPE_ARRAY or shape.is_empty() or shape.size() > 4:
		return -1
	if part.size() > 2 or part.size() == 2 and not part.has("dtype"):
		return -1
	var size := 1
	for side: Variant in shape:
		if typeof(side) != TYPE_INT or side < 0 or side > MAX_FRAMES:
			return -1
		size = mini(size * side, MAX_FRAMES + 1)
	return size
