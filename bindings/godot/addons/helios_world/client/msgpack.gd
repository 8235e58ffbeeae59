extends RefCounted
## MessagePack as the protocol allows it: nil, booleans, integers, finite floats, UTF-8 strings, arrays and maps with
## string keys. No bin, no ext, no key twice, at most 256 entries and 16 levels.

const MAX_DEPTH := 16
const MAX_ENTRIES := 256
const _TOP_BIT := 0x80000000
## Godot's strings cannot hold U+0000; a server's text may.
const _INSTEAD_OF_NUL := 0x1A

## Why the bytes were refused; empty while all is well.
var fault := ""

var _data: PackedByteArray
var _at := 0


func _init(data: PackedByteArray) -> void:
	_data = data


## The bytes of null, bool, int, finite float, String, Array, PackedStringArray or Dictionary with string keys. Integers
## take their shortest form, floats 64 bits.
static func encode(value: Variant) -> PackedByteArray:
	var out := PackedByteArray()
	_write(out, value)
	return out


## The one value that the bytes hold; `fault` is set when they are anything else.
func decode() -> Variant:
	var value: Variant = _read(0)
	if fault.is_empty() and _at < _data.size():
		fault = "%d bytes after the end" % (_data.size() - _at)
	return value if fault.is_empty() else null


static func _write(out: PackedByteArray, value: Variant) -> void:
	match typeof(value):
		TYPE_NIL:
			out.append(0xC0)
		TYPE_BOOL:
			out.append(0xC3 if value else 0xC2)
		TYPE_INT:
			_write_integer(out, value)
		TYPE_FLOAT:
			out.append(0xCB)
			var bytes := PackedByteArray([0, 0, 0, 0, 0, 0, 0, 0])
			bytes.encode_double(0, value)
			bytes.reverse()
			out.append_array(bytes)
		TYPE_STRING, TYPE_STRING_NAME:
			_write_text(out, str(value))
		TYPE_ARRAY, TYPE_PACKED_STRING_ARRAY:
			_write_head(out, len(value), 0x90, 16, 0xDC)
			for item: Variant in value:
				_write(out, item)
		TYPE_DICTIONARY:
			_write_map(out, value)
		_:
			push_error("Helios: %s cannot be sent" % type_string(typeof(value)))
			out.append(0xC0)


static func _write_map(out: PackedByteArray, map: Dictionary) -> void:
	_write_head(out, map.size(), 0x80, 16, 0xDE)
	for key: Variant in map:
		_write_text(out, str(key))
		_write(out, map[key])


static func _write_text(out: PackedByteArray, text: String) -> void:
	var bytes := text.to_utf8_buffer()
	if bytes.size() < 32 or bytes.size() > 255:
		_write_head(out, bytes.size(), 0xA0, 32, 0xDA)
	else:
		out.append(0xD9)
		out.append(bytes.size())
	out.append_array(bytes)


## The length of a string, array or map; `wide` is the form of 16 bits, the next code that of 32.
static func _write_head(out: PackedByteArray, length: int, fixed: int, most: int, wide: int) -> void:
	if length < most:
		out.append(fixed | length)
	elif length < 0x10000:
		out.append(wide)
		_write_big_endian(out, length, 2)
	else:
		out.append(wide + 1)
		_write_big_endian(out, length, 4)


static func _write_integer(out: PackedByteArray, value: int) -> void:
	if value >= -32 and value < 128:
		out.append(value & 0xFF)
		return
	var width := 0
	while width < 3 and not _fits(value, 8 << width):
		width += 1
	out.append((0xCC if value > 0 else 0xD0) + width)
	_write_big_endian(out, value, 1 << width)


static func _fits(value: int, bits: int) -> bool:
	return value < 1 << bits if value >= 0 else value >= -(1 << (bits - 1))


static func _write_big_endian(out: PackedByteArray, value: int, size: int) -> void:
	var bytes := PackedByteArray([0, 0, 0, 0, 0, 0, 0, 0])
	bytes.encode_s64(0, value)
	bytes.reverse()
	out.append_array(bytes.slice(8 - size))


func _read(depth: int) -> Variant:
	var code := _integer(1)
	if code < 0x80:
		return code
	if code < 0x90:
		return _map(code & 0x0F, depth)
	if code < 0xA0:
		return _array(code & 0x0F, depth)
	if code < 0xC0:
		return _text(code & 0x1F)
	if code >= 0xE0:
		return code - 0x100
	return _read_long(code, depth)


func _read_long(code: int, depth: int) -> Variant:
	var value: Variant = null
	match code:
		0xC0:
			pass
		0xC2, 0xC3:
			value = code == 0xC3
		0xCA, 0xCB:
			value = _float(4 if code == 0xCA else 8)
		0xCC, 0xCD, 0xCE:
			value = _integer(1 << (code - 0xCC))
		0xCF:
			value = _unsigned()
		0xD0, 0xD1, 0xD2, 0xD3:
			value = _signed(1 << (code - 0xD0))
		0xD9, 0xDA, 0xDB:
			value = _text(_integer(1 << (code - 0xD9)))
		0xDC, 0xDD:
			value = _array(_integer(2 << (code - 0xDC)), depth)
		0xDE, 0xDF:
			value = _map(_integer(2 << (code - 0xDE)), depth)
		_:
			_refuse("the type %02x is not allowed" % code)
	return value


func _array(length: int, depth: int) -> Array:
	var items := []
	if not _may_hold(length, depth):
		return items
	for _number: int in length:
		items.append(_read(depth + 1))
		if fault:
			break
	return items


func _map(length: int, depth: int) -> Dictionary:
	var map := {}
	if not _may_hold(length, depth):
		return map
	for _number: int in length:
		var key: Variant = _read(depth + 1)
		if typeof(key) != TYPE_STRING or map.has(key):
			_refuse("a key of a map that is no string, or there twice")
		if fault:
			break
		map[key] = _read(depth + 1)
	return map


func _may_hold(length: int, depth: int) -> bool:
	if length > MAX_ENTRIES:
		_refuse("%d entries; at most %d are allowed" % [length, MAX_ENTRIES])
	elif depth >= MAX_DEPTH:
		_refuse("more than %d levels" % MAX_DEPTH)
	return fault.is_empty()


func _text(length: int) -> String:
	var bytes := _take(length)
	if not _is_utf8(bytes):
		_refuse("a string that is not UTF-8")
		return ""
	return bytes.get_string_from_utf8()


## Godot's own decoder replaces what is wrong and prints; here it is refused. NULs are replaced in place.
static func _is_utf8(bytes: PackedByteArray) -> bool:
	var at := 0
	while at < bytes.size():
		var first := bytes[at]
		at += 1
		if first < 0x80:
			if first == 0:
				bytes[at - 1] = _INSTEAD_OF_NUL
			continue
		var more := 1 if first < 0xE0 else (2 if first < 0xF0 else 3)
		if first < 0xC2 or first > 0xF4 or at + more > bytes.size():
			return false
		var point := first & (0x3F >> more)
		for _number: int in more:
			if bytes[at] & 0xC0 != 0x80:
				return false
			point = point << 6 | bytes[at] & 0x3F
			at += 1
		if point < [0x80, 0x800, 0x10000][more - 1] or point > 0x10FFFF or point >> 11 == 0x1B:
			return false
	return true


func _float(size: int) -> float:
	var bytes := _take(size)
	if fault:
		return 0.0
	bytes.reverse()
	var value := bytes.decode_float(0) if size == 4 else bytes.decode_double(0)
	if not is_finite(value):
		_refuse("a float that is not finite")
	return value


func _signed(size: int) -> int:
	var value := _integer(size)
	var sign_bit := 1 << (8 * size - 1)
	return value - (sign_bit << 1) if size < 8 and value & sign_bit else value


## Godot has no integers from 2^63 on; no key of the protocol has either, so that a float is as good.
func _unsigned() -> Variant:
	var high := _integer(4)
	var low := _integer(4)
	if high & _TOP_BIT:
		return high * 4294967296.0 + low
	return high << 32 | low


func _integer(size: int) -> int:
	if _at + size > _data.size():
		_refuse("the bytes end early")
		return 0
	var value := 0
	for _number: int in size:
		value = value << 8 | _data[_at]
		_at += 1
	return value


func _take(length: int) -> PackedByteArray:
	if length > _data.size() - _at:
		_refuse("the bytes end early")
		return PackedByteArray()
	_at += length
	return _data.slice(_at - length, _at)


func _refuse(why: String) -> void:
	if fault.is_empty():
		fault = why
