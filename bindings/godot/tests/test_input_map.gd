extends RefCounted
## From the InputMap to a world's controls.

const Check := preload("check.gd")
const InputMapping := preload("res://addons/helios_world/input_map.gd")
const Worlds := preload("worlds.gd")


func test_names_are_found(check: Check) -> bool:
	_add(["forward", "helios_jump", "turn_negative", "turn_positive"])
	var mapping := InputMapping.new(Worlds.example(), {})
	check.equal(mapping.buttons(), {"forward": "forward", "jump": "helios_jump"}, "the buttons")
	check.equal(mapping.axes(), {"turn": ["turn_negative", "turn_positive"]}, "the axes")
	_remove(["forward", "helios_jump", "turn_negative", "turn_positive"])
	check.equal(InputMapping.new(Worlds.example(), {}).buttons(), {}, "nothing without actions")
	return true


func test_a_dictionary_overrides(check: Check) -> bool:
	_add(["forward", "walk", "left", "right"])
	var mapping := InputMapping.new(Worlds.example(), {"forward": "walk", "turn": ["left", "right"], "dx": "right"})
	check.equal(mapping.buttons(), {"forward": "walk"}, "the buttons")
	check.equal(mapping.axes(), {"turn": ["left", "right"], "dx": ["", "right"]}, "the axes")
	_remove(["forward", "walk", "left", "right"])
	return true


func test_what_is_held_reaches_the_inputs(check: Check) -> bool:
	_add(["forward", "left", "right"])
	var spec := Worlds.example()
	var mapping := InputMapping.new(spec, {"turn": ["left", "right"]})
	var inputs := HeliosInputs.new(spec)
	Input.action_press("forward")
	Input.action_press("left", 0.5)
	mapping.sample(inputs, 0.1)
	var told := inputs.take()
	check.equal([told["buttons"], told["axes"]], [["forward"], {"turn": -0.5}], "held")
	check.equal(mapping.action().axes, {"turn": -0.5}, "the action for lockstep")
	Input.action_release("forward")
	Input.action_release("left")
	mapping.sample(inputs, 0.1)
	told = inputs.take()
	check.equal([told["buttons"], told["axes"]], [[], {}], "let go")
	_remove(["forward", "left", "right"])
	return true


func test_the_mouse_moves_a_sum(check: Check) -> bool:
	var spec := Worlds.example()
	var mapping := InputMapping.new(spec, {})
	var inputs := HeliosInputs.new(spec)
	mapping.add_mouse(Vector2(3, 1))
	mapping.add_mouse(Vector2(4, 1))
	mapping.sample_mouse(inputs, "dx", "", 2.0)
	check.equal(inputs.take()["axes"], {"dx": 14.0}, "seven pixels at two per pixel")
	mapping.sample_mouse(inputs, "dx", "", 2.0)
	check.equal(inputs.take(), {}, "nothing more")
	return true


func test_what_the_game_itself_holds_stays(check: Check) -> bool:
	await check.tree.process_frame
	await check.tree.process_frame  # what an earlier test pressed is no more "just pressed"
	_add(["forward", "jump", "left", "right"])
	var spec := Worlds.example()
	var mapping := InputMapping.new(spec, {"turn": ["left", "right"]})
	var inputs := HeliosInputs.new(spec)
	inputs.press("forward")
	inputs.move("turn", 0.5)
	Input.action_press("jump")
	mapping.sample(inputs, 0.1)
	mapping.sample(inputs, 0.1)
	var told := inputs.take()
	check.equal([told["buttons"], told["axes"]], [["forward", "jump"], {"turn": 0.5}], "held by code and by hand")
	mapping.let_go(inputs)
	check.equal(inputs.take()["buttons"], ["forward"], "the map lets go of its own")
	mapping.sample(inputs, 0.1)
	check.equal(inputs.take()["pressed"], ["jump"], "what is still pressed is pressed anew")
	Input.action_release("jump")
	_remove(["forward", "jump", "left", "right"])
	return true


func test_a_stick_on_a_sum_has_its_strength_at_any_frame_rate(check: Check) -> bool:
	_add(["left", "right"])
	var spec := Worlds.example()
	spec.frames_per_chunk = 5
	Input.action_press("right", 0.25)
	for rate: int in [30, 144]:
		var mapping := InputMapping.new(spec, {"dx": ["left", "right"]})
		var inputs := HeliosInputs.new(spec)
		for _frame: int in int(rate * 0.5):
			mapping.sample(inputs, 1.0 / rate)
		var sum: float = inputs.take()["axes"]["dx"]
		check.that(absf(sum - 128.0) < 1e-3, "a quarter of 512 in one chunk at %d fps, not %s" % [rate, sum])
	Input.action_release("right")
	_remove(["left", "right"])
	return true


func test_the_mouse_on_an_axis_that_is_latest_reaches_a_chunk(check: Check) -> bool:
	var spec := Worlds.example()
	var mapping := InputMapping.new(spec, {})
	var inputs := HeliosInputs.new(spec)
	mapping.add_mouse(Vector2(0.5, 0.0))
	for _frame: int in 3:
		mapping.sample_mouse(inputs, "turn", "", 1.0)
	check.equal(inputs.take()["axes"], {"turn": 0.5}, "it stays until a chunk has it")
	inputs.press("jump")
	check.equal(inputs.take()["axes"], {"turn": 0.5}, "also in later messages")
	inputs.seen(1)
	check.equal(inputs.take()["axes"], {}, "then it is over")
	return true


func _add(names: Array) -> void:
	for name: String in names:
		InputMap.add_action(name, 0.2)


func _remove(names: Array) -> void:
	for name: String in names:
		InputMap.erase_action(name)
