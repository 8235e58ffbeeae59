extends RefCounted
## Counts what holds and what does not.

## The folder with the examples of all messages.
var wire := ""
var tree: SceneTree
var count := 0
var failed := 0

var _name := ""


func begin(name: String) -> void:
	_name = name


func that(holds: bool, what: String) -> void:
	count += 1
	if not holds:
		failed += 1
		print("FAILED %s: %s" % [_name, what])


func equal(found: Variant, expected: Variant, what: String) -> void:
	var is_equal: bool = typeof(found) == typeof(expected) and found == expected
	that(is_equal, "%s is %s, not %s" % [what, str(found).left(200), str(expected).left(200)])
