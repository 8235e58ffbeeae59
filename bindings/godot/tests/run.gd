extends SceneTree
## The addon's unit tests: godot --headless --path bindings/godot -s res://tests/run.gd -- bindings/wire
##
## Ends with 0 when every check holds, otherwise with 1. A test that stops half-way (a run-time error ends only the
## function it is in) gives no true, and counts as failed.

const Check := preload("check.gd")
const SUITES := [
	preload("test_msgpack.gd"),
	preload("test_wire.gd"),
	preload("test_zmtp.gd"),
	preload("test_playback.gd"),
	preload("test_inputs.gd"),
	preload("test_input_map.gd"),
	preload("test_frames.gd"),
	preload("test_session.gd"),
	preload("test_world.gd"),
]
const _AT_MOST_S := 240.0


func _initialize() -> void:
	create_timer(_AT_MOST_S).timeout.connect(_give_up)
	var check := Check.new()
	var arguments := OS.get_cmdline_user_args()
	check.wire = arguments[0] if arguments.size() > 0 else "../wire"
	check.tree = self
	for script: GDScript in SUITES:
		var suite: RefCounted = script.new()
		for method: Dictionary in suite.get_method_list():
			var name := str(method["name"])
			if name.begins_with("test_"):
				await _run(suite, name, check)
	print("%d checks, %d failed" % [check.count, check.failed])
	quit(0 if check.failed == 0 and check.count > 0 else 1)


func _run(suite: RefCounted, name: String, check: Check) -> void:
	check.begin(name)
	@warning_ignore("redundant_await")
	var ended: Variant = await suite.call(name, check)
	check.that(typeof(ended) == TYPE_BOOL and ended, "the test runs to its end")


func _give_up() -> void:
	print("the tests took more than %d s" % int(_AT_MOST_S))
	quit(1)
