extends RefCounted
## MessagePack: what is allowed comes back, and everything else is refused.

const Check := preload("check.gd")
const Msgpack := preload("res://addons/helios_world/client/msgpack.gd")
const _EDGES := [
	0,
	1,
	31,
	32,
	127,
	128,
	255,
	256,
	65535,
	65536,
	4294967295,
	4294967296,
	9223372036854775807,
	-1,
	-32,
	-33,
	-128,
	-129,
	-32768,
	-32769,
	-2147483648,
	-2147483649,
	-9223372036854775807,
]


func test_random_values_come_back(check: Check) -> bool:
	var random := RandomNumberGenerator.new()
	random.seed = 20
	for _number: int in 300:
		var value := _map(random, 0)
		check.equal(_decoded(Msgpack.encode(value)), value, "a random map")
	return true


func test_edges_of_integers_take_their_shortest_form(check: Check) -> bool:
	for value: int in _EDGES:
		var bytes := Msgpack.encode(value)
		check.equal(_decoded(bytes), value, "an integer")
		check.equal(bytes.size(), _shortest(value), "bytes of %d" % value)
	return true


func test_floats_stay_floats(check: Check) -> bool:
	for value: float in [0.0, 1.0, -2.5, 1e300, 5e-324, 0.1]:
		var bytes := Msgpack.encode(value)
		check.equal(bytes.size(), 9, "bytes of a float")
		check.equal(_decoded(bytes), value, "a float")
	check.equal(_decoded(PackedByteArray([0xCA, 0x3F, 0xC0, 0, 0])), 1.5, "a float of 32 bits")
	return true


func test_every_form_of_an_integer_is_taken(check: Check) -> bool:
	for bytes: Array in [
		[7],
		[0xCC, 7],
		[0xCD, 0, 7],
		[0xCE, 0, 0, 0, 7],
		[0xCF, 0, 0, 0, 0, 0, 0, 0, 7],
		[0xD0, 7],
		[0xD1, 0, 7],
		[0xD2, 0, 0, 0, 7],
		[0xD3, 0, 0, 0, 0, 0, 0, 0, 7],
	]:
		check.equal(_decoded(PackedByteArray(bytes)), 7, "seven")
	check.equal(_decoded(PackedByteArray([0xD1, 0xFF, 0xFE])), -2, "minus two")
	return true


func test_what_is_not_allowed_is_refused(check: Check) -> bool:
	for bytes: Array in [
		[],
		[0xC1],
		[0xC4, 1, 0],
		[0xC7, 1, 1, 0],
		[0xD4, 1, 0],
		[0xA2, 65],
		[0x91],
		[0x81, 0xA1, 65],
		[0x81, 1, 1],
		[0x82, 0xA1, 65, 1, 0xA1, 65, 2],
		[1, 1],
		[0xCB, 0x7F, 0xF0, 0, 0, 0, 0, 0, 0],
		[0xCA, 0x7F, 0xC0, 0, 0],
		[0xDC, 1, 1],
		[0xDD, 0xFF, 0xFF, 0xFF, 0xFF],
		[0xDF, 0xFF, 0xFF, 0xFF, 0xFF],
		[0xDB, 0xFF, 0xFF, 0xFF, 0xFF],
		[0xA1, 0xFF],
		[0xA1, 0xC3],
		[0xA2, 0xC0, 0x80],
		[0xA3, 0xED, 0xA0, 0x80],
		[0xA4, 0xF4, 0x90, 0x80, 0x80],
		[0xA3, 0xE0, 0x80, 0x80],
		[0xA1, 0x80],
	]:
		check.that(_fault(PackedByteArray(bytes)) != "", "%s is refused" % [bytes])
	return true


func test_texts_of_every_width_come_back(check: Check) -> bool:
	for text: String in ["", "a", "ü", "草", "𝄞", "é".repeat(500), char(0x7FF) + char(0x800) + char(0xFFFF)]:
		check.equal(_decoded(Msgpack.encode(text)), text, "a text")
	check.equal(_fault(PackedByteArray([0xA1, 0])), "", "the fault of U+0000")
	return true


func test_nesting_ends_at_its_limit(check: Check) -> bool:
	for depth: int in [Msgpack.MAX_DEPTH, Msgpack.MAX_DEPTH + 1]:
		var bytes := PackedByteArray()
		bytes.resize(depth)
		bytes.fill(0x91)
		bytes.append(0xC0)
		check.equal(_fault(bytes).is_empty(), depth == Msgpack.MAX_DEPTH, "whether %d levels are fine" % depth)
	return true


func test_cut_and_flipped_bytes_do_no_harm(check: Check) -> bool:
	var random := RandomNumberGenerator.new()
	random.seed = 21
	var whole := Msgpack.encode(_map(random, 0))
	for length: int in whole.size():
		check.that(_fault(whole.slice(0, length)) != "", "%d of %d bytes are refused" % [length, whole.size()])
	for _number: int in 2000:
		var bytes := whole.duplicate()
		bytes[random.randi_range(0, bytes.size() - 1)] = random.randi_range(0, 255)
		var reader := Msgpack.new(bytes)
		var value: Variant = reader.decode()
		check.that(reader.fault.is_empty() or value == null, "a fault gives nothing")
	return true


static func _decoded(bytes: PackedByteArray) -> Variant:
	return Msgpack.new(bytes).decode()


static func _fault(bytes: PackedByteArray) -> String:
	var reader := Msgpack.new(bytes)
	reader.decode()
	return reader.fault


static func _shortest(value: int) -> int:
	if value >= -32 and value < 128:
		return 1
	for width: int in 3:
		var bits := 8 << width
		if value < 1 << bits if value > 0 else value >= -(1 << (bits - 1)):
			return 1 + (1 << width)
	return 9


func _map(random: RandomNumberGenerator, depth: int) -> Dictionary:
	var map := {}
	for number: int in random.randi_range(0, 6):
		map["key%d" % number] = _value(random, depth + 1)
	return map


func _value(random: RandomNumberGenerator, depth: int) -> Variant:
	var kinds: Array[Callable] = [
		func() -> Variant: return null,
		func() -> bool: return random.randi() % 2 == 0,
		func() -> int: return random.randi_range(-70000, 70000),
		func() -> int: return (random.randi() << 31) ^ random.randi(),
		func() -> float: return random.randf_range(-1e6, 1e6),
		func() -> String: return "ä€x".repeat(random.randi_range(0, 90)),
		func() -> Array:
			return range(random.randi_range(0, 20)).map(func(_n: int) -> Variant: return _value(random, depth + 1)),
		func() -> Dictionary: return _map(random, depth),
	]
	return kinds[random.randi_range(0, 7 if depth < 4 else 5)].call()
