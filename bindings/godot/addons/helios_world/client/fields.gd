extends RefCounted
## Reads the keys of a map that a server has sent. A value that is not what it must be makes the whole faulty, and
## reading goes on with something harmless; so a reader asks once, at the end.

const Fields := preload("fields.gd")
const COUNT := (1 << 53) - 1

var _map: Dictionary
var _is_faulty: Array[bool]


func _init(read_map: Dictionary, faulty: Array[bool] = [false]) -> void:
	_map = read_map
	_is_faulty = faulty


## Whether anything was not as it must be, here or in a map inside.
func is_faulty() -> bool:
	return _is_faulty[0]


## Whether the key is there and not nil.
func has(key: String) -> bool:
	return _map.get(key) != null


## An integer between two others; one that may be left out has a default.
func integer(key: String, low: int, high: int, default: Variant = null) -> int:
	if not _map.has(key) and default != null:
		return default
	var value: Variant = _map.get(key)
	if typeof(value) == TYPE_INT and value >= low and value <= high:
		return value
	refuse()
	return low


## A count that may be nil or left out; then it is `otherwise`.
func maybe_integer(key: String, low: int, otherwise: int) -> int:
	return integer(key, low, COUNT) if has(key) else otherwise


## A finite float; an integer will do.
func number(key: String, low: float = -INF) -> float:
	var value: Variant = _map.get(key)
	if typeof(value) in [TYPE_INT, TYPE_FLOAT] and value >= low:
		return float(value)
	refuse()
	return 0.0


## A float that may be nil or left out; then it is `otherwise`.
func maybe_number(key: String, low: float, otherwise: float) -> float:
	return number(key, low) if has(key) else otherwise


func boolean(key: String) -> bool:
	var value: Variant = _map.get(key)
	if typeof(value) != TYPE_BOOL:
		refuse()
		return false
	return value


func text(key: String, most: int, least: int = 0) -> String:
	return _checked_text(_map.get(key), most, least)


func choice(key: String, choices: PackedStringArray) -> String:
	var value: Variant = _map.get(key)
	if typeof(value) == TYPE_STRING and value in choices:
		return value
	refuse()
	return ""


## Digits 0-9a-f, so many.
func identifier(key: String, length: int) -> String:
	var value := text(key, length, length)
	for digit: String in value:
		if not digit in "0123456789abcdef":
			refuse()
			return ""
	return value


func maybe_identifier(key: String, length: int) -> String:
	return identifier(key, length) if has(key) else ""


func texts(key: String, most: int, longest: int, least: int = 0) -> PackedStringArray:
	var found := PackedStringArray()
	for item: Variant in list(key, most):
		found.append(_checked_text(item, longest, least))
	return found


func list(key: String, most: int) -> Array:
	var value: Variant = _map.get(key)
	if typeof(value) == TYPE_ARRAY and value.size() <= most:
		return value
	refuse()
	return []


## A map inside.
func map(key: String) -> Fields:
	return inside(_map.get(key))


## Maps inside an array.
func maps(key: String, most: int) -> Array[Fields]:
	var found: Array[Fields] = []
	for item: Variant in list(key, most):
		found.append(inside(item))
	return found


## The value of a map, to be read as a map; shares the faults of this one.
func inside(value: Variant) -> Fields:
	if typeof(value) != TYPE_DICTIONARY:
		refuse()
		return Fields.new({}, _is_faulty)
	return Fields.new(value, _is_faulty)


func keys() -> Array:
	return _map.keys()


func refuse() -> void:
	_is_faulty[0] = true


func _checked_text(value: Variant, most: int, least: int) -> String:
	if typeof(value) == TYPE_STRING and value.length() >= least and value.length() <= most:
		return value
	refuse()
	return ""
