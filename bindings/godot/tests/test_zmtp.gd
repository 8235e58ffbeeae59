extends RefCounted
## The parser of ZMTP, fed in pieces of every size, and with what is no ZMTP.

const Check := preload("check.gd")
const Parser := preload("res://addons/helios_world/client/zmtp_parser.gd")
const Zmtp := preload("res://addons/helios_world/client/zmtp.gd")


func test_pieces_of_every_size_give_the_same_messages(check: Check) -> bool:
	var bytes := _stream()
	for size: int in [1, 2, 3, 5, 7, 11, 64, 65, 255, 256, 1000, bytes.size()]:
		var parser := Parser.new()
		for start: int in range(0, bytes.size(), size):
			parser.feed(bytes.slice(start, start + size))
			while parser.parse():
				pass
		check.equal(parser.fault, "", "the fault with pieces of %d" % size)
		check.equal(parser.messages.size(), 3, "messages in pieces of %d" % size)
		check.equal(parser.messages[0], [_text("one"), _text("x".repeat(300)), PackedByteArray()], "the first one")
		check.equal(parser.messages[2], [_text("end")], "the last one")
		check.equal(parser.replies, _command("PONG", _text("abc")), "what is sent back")
		check.that(not parser.is_inside_frame(), "nothing is left")
	return true


func test_what_is_no_zmtp_ends_the_connection(check: Check) -> bool:
	var greeting := Parser.greeting()
	var curve := greeting.duplicate()
	curve[12] = "C".unicode_at(0)
	var old := greeting.duplicate()
	old[10] = 1
	for bytes: PackedByteArray in [
		_text("HTTP/1.1 400 Bad Request"),
		curve,
		old,
		greeting + PackedByteArray([0, 1, 65]),
		greeting + PackedByteArray([0x80, 0]),
		greeting + PackedByteArray([5, 0]),
		greeting + PackedByteArray([4, 0]),
		greeting + _command("ERROR", _text("no")),
		greeting + _ready("PUB"),
		greeting + _command("READY", _text("\u0020")),
		_hello() + _command("PING", PackedByteArray([1])),
		_hello() + PackedByteArray([4, 1, 9]),
	]:
		check.that(_fault(bytes).fault != "", "%s ends it" % bytes.hex_encode().right(40))
	return true


func test_lengths_are_compared_before_anything_comes(check: Check) -> bool:
	for head: Array in [
		[2, 0, 0, 1, 0, 0, 0, 0, 0],
		[2, 255, 255, 255, 255, 255, 255, 255, 255],
		[2, 0, 0, 0, 0, 0x10, 0x10, 0, 1],
		[3, 0x80, 0, 0, 0, 0, 0, 0, 0],
	]:
		check.equal(_fault(_hello() + PackedByteArray(head)).fault_code, "too_large", "the fault of %s" % [head])
	var most := _hello() + PackedByteArray([2, 0, 0, 0, 0, 0x10, 0x10, 0, 0])
	check.equal(_fault(most).fault, "", "the fault of the largest message")
	var command := _hello() + PackedByteArray([6, 0, 0, 0, 0, 0, 1, 0, 1])
	check.that(_fault(command).fault != "", "a long command ends it")
	return true


func test_too_many_parts_are_dropped_and_the_next_message_is_read(check: Check) -> bool:
	var bytes := _hello()
	for _number: int in 20:
		bytes.append_array(_frame(_text("p"), 1))
	bytes.append_array(_frame(_text("p"), 0))
	bytes.append_array(_frame(_text("next"), 0))
	var parser := _fault(bytes)
	check.equal(parser.dropped, 1, "dropped messages")
	check.equal(parser.messages, [[_text("next")]] as Array[Array], "what is left")
	return true


func test_random_bytes_do_no_harm(check: Check) -> bool:
	var random := RandomNumberGenerator.new()
	random.seed = 22
	var whole := _stream()
	for _number: int in 500:
		var bytes := whole.duplicate()
		for _flip: int in 3:
			bytes[random.randi_range(64, bytes.size() - 1)] = random.randi_range(0, 255)
		var parser := _fault(bytes)
		check.that(parser.messages.size() <= 20, "no more messages than there can be")
	return true


func test_addresses(check: Check) -> bool:
	check.equal(Zmtp.split_address("tcp://127.0.0.1:5555"), ["127.0.0.1", 5555], "with a scheme")
	check.equal(Zmtp.split_address("localhost:1"), ["localhost", 1], "without")
	check.equal(Zmtp.split_address("tcp://[::1]:80"), ["::1", 80], "of IPv6")
	for address: String in [
		"", "tcp://", "host", "host:0", "host:70000", "host:x", ":5555", "ipc:///tmp/x", "http://a:1"
	]:
		check.equal(Zmtp.split_address(address), [], "the parts of %s" % address)
	return true


## A whole connection: commands stand between the frames of a message.
func _stream() -> PackedByteArray:
	var bytes := _hello()
	bytes.append_array(_frame(_text("one"), 1))
	bytes.append_array(_command("PING", PackedByteArray([0, 30]) + _text("abc")))
	bytes.append_array(_frame(_text("x".repeat(300)), 1))
	bytes.append_array(_command("WHATEVER", _text("?")))
	bytes.append_array(_frame(PackedByteArray(), 0))
	bytes.append_array(PackedByteArray([2, 0, 0, 0, 0, 0, 0, 0, 1, 65]))
	bytes.append_array(_frame(_text("end"), 0))
	return bytes


static func _fault(bytes: PackedByteArray) -> Parser:
	var parser := Parser.new()
	parser.feed(bytes)
	while parser.parse():
		pass
	return parser


static func _hello() -> PackedByteArray:
	return Parser.greeting() + _ready("ROUTER")


static func _ready(kind: String) -> PackedByteArray:
	var data := PackedByteArray([11]) + _text("Socket-Type") + PackedByteArray([0, 0, 0, kind.length()]) + _text(kind)
	return _command("READY", data + PackedByteArray([8]) + _text("Identity") + PackedByteArray([0, 0, 0, 0]))


static func _command(name: String, data: PackedByteArray) -> PackedByteArray:
	var body := PackedByteArray([name.length()]) + _text(name) + data
	return Parser.frame_head(body.size(), 4) + body


static func _frame(body: PackedByteArray, flags: int) -> PackedByteArray:
	return Parser.frame_head(body.size(), flags) + body


static func _text(text: String) -> PackedByteArray:
	return text.to_ascii_buffer()
