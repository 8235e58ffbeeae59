extends RefCounted
## The examples of all messages: bindings/wire.

const Check := preload("check.gd")
const Messages := preload("res://addons/helios_world/client/messages.gd")
const Msgpack := preload("res://addons/helios_world/client/msgpack.gd")


func test_every_example_decodes_to_its_header(check: Check) -> bool:
	var index := _index(check)
	check.that(index.size() > 25, "the examples are there")
	for entry: Dictionary in index:
		var parts := _parts(check, str(entry["file"]))
		var header := Messages.header_of(parts)
		check.that(_is_like(header, entry["header"]), "%s has the header of the index" % entry["file"])
		check.that(_is_like(_again(header), entry["header"]), "%s is the same after encoding" % entry["file"])
		check.equal(parts.size() - 2, (entry["buffers"] as Array).size(), "buffers of %s" % entry["file"])
	return true


func test_every_message_of_the_server_is_read(check: Check) -> bool:
	for entry: Dictionary in _index(check):
		var message := Messages.read(_parts(check, str(entry["file"])))
		check.equal(message != null, entry["from"] == "server", "whether %s is read" % entry["file"])
		var seq: Variant = (entry["header"] as Dictionary).get("seq")
		if message != null and seq != null:
			check.equal(message.seq, int(seq), "the number of %s" % entry["file"])
	return true


func test_a_world_is_read_whole(check: Check) -> bool:
	var welcome: Messages.Welcome = Messages.read(_parts(check, "welcome.bin"))
	var spec := welcome.world
	check.equal(spec.button_names(), PackedStringArray(["forward", "jump"]), "the buttons")
	check.equal(spec.axis("dx").combine, "sum", "the mouse's axis")
	check.equal(spec.axis("turn").clip(3.0), 1.0, "a value beyond the range")
	check.equal(spec.prompts[1], "a grün meadow · 草地", "the second prompt")
	check.equal([spec.fps, spec.height, spec.width, spec.frames_per_chunk], [12, 8, 8, 2], "the sizes")
	return true


func test_a_changed_key_is_refused(check: Check) -> bool:
	var parts := _parts(check, "chunk.bin")
	var header := Messages.header_of(parts)
	for change: Array in [
		["seq", 0],
		["seq", 1.0],
		["seq", true],
		["epoch", -1],
		["frames", 3],
		["height", 8193],
		["encoding", "gif"],
		["of", 0],
		["part", 1],
		["parts", []],
		["parts", "x"],
		["prompt", [["a"]]],
		["prompt", [["a", 1.5]]],
		["action", {"buttons": [], "axes": {}, "more": 1}],
		["action", null],
		["sid", "0".repeat(31) + "G"],
		["timing", {}],
		["queue_ms", -1],
		["parts", [{"dtype": "u1", "shape": "x"}]],
		["parts", [{"dtype": 1, "shape": [2, 8, 8, 3]}]],
		["parts", [{"bytes": 384}]],
	]:
		var changed := header.duplicate(true)
		changed[change[0]] = change[1]
		check.that(_read(changed, parts) == null, "%s = %s is refused" % change)
	header["news"] = {"from": ["a later", "version"]}
	check.that(_read(header, parts) != null, "a key that is not known is ignored")
	return true


func test_another_version_is_not_read(check: Check) -> bool:
	var parts := _parts(check, "pong.bin")
	parts[0] = PackedByteArray([0x48, 0x57, 1, 9])
	check.that(Messages.read(parts) != null, "a later minor version is read")
	parts[0] = PackedByteArray([0x48, 0x57, 2, 0])
	check.that(Messages.read(parts) == null, "another major version is not")
	return true


static func _read(header: Dictionary, parts: Array[PackedByteArray]) -> Messages.Message:
	var changed: Array[PackedByteArray] = [parts[0], Msgpack.encode(header)]
	changed.append_array(parts.slice(2))
	return Messages.read(changed)


static func _again(header: Dictionary) -> Variant:
	return Msgpack.new(Msgpack.encode(header)).decode()


static func _index(check: Check) -> Array:
	var found: Variant = JSON.parse_string(FileAccess.get_file_as_string(check.wire.path_join("index.json")))
	return found if found is Array else []


static func _parts(check: Check, file: String) -> Array[PackedByteArray]:
	var data := FileAccess.get_file_as_bytes(check.wire.path_join(file))
	var parts: Array[PackedByteArray] = []
	var at := 4
	for _number: int in data.decode_u32(0):
		var length := data.decode_u32(at)
		parts.append(data.slice(at + 4, at + 4 + length))
		at += 4 + length
	return parts


## Equal to what JSON says, for which all numbers are floats.
static func _is_like(found: Variant, expected: Variant) -> bool:
	if typeof(expected) == TYPE_FLOAT:
		return typeof(found) in [TYPE_INT, TYPE_FLOAT] and float(found) == expected
	if typeof(found) != typeof(expected):
		return false
	if typeof(found) == TYPE_ARRAY:
		return (
			found.size() == expected.size()
			and range(found.size()).all(func(number: int) -> bool: return _is_like(found[number], expected[number]))
		)
	if typeof(found) == TYPE_DICTIONARY:
		return (
			found.size() == expected.size()
			and found.keys().all(
				func(key: String) -> bool: return expected.has(key) and _is_like(found[key], expected[key])
			)
		)
	return found == expected
