extends RefCounted
## The node without a server: errors are told, and nothing is left when it goes.

const Check := preload("check.gd")
const Fake := preload("fake_server.gd")

var _errors: Array[Array] = []


func test_nobody_listens(check: Check) -> bool:
	var world := _world("tcp://127.0.0.1:1", 0.6)
	check.that(not await world.open(), "it does not open")
	check.equal(_errors.size(), 1, "errors")
	check.equal(_errors[0][0], "connection", "the code")
	check.that("helios-world serve nano" in str(_errors[0][1]) and "127.0.0.1:1" in str(_errors[0][1]), "the way out")
	check.equal(world.state, "closed", "the state")
	world.free()
	return true


func test_calls_before_open_are_refused(check: Check) -> bool:
	_errors.clear()
	var world := _world("tcp://127.0.0.1:1", 0.6)
	check.that(await world.step() == null, "no chunk")
	check.equal(await world.snapshot(), PackedByteArray(), "the snapshot")
	check.equal(_errors.map(func(one: Array) -> String: return one[0]), ["usage", "usage"], "the codes")
	world.free()
	return true


func test_a_node_may_go_while_a_call_is_under_way(check: Check) -> bool:
	_errors.clear()
	var server := TCPServer.new()
	server.listen(0, "127.0.0.1")
	var world := _world("tcp://127.0.0.1:%d" % server.get_local_port(), 30.0)
	var opened := []
	_open(world, opened)
	await check.tree.create_timer(0.2).timeout
	world.queue_free()
	await check.tree.process_frame
	await check.tree.process_frame
	check.equal(opened, [false], "what open() gave")
	check.that(not is_instance_valid(world), "the node is gone")
	check.equal(_errors.size(), 0, "errors")
	server.stop()
	return true


func test_wrong_options_are_refused_here(check: Check) -> bool:
	_errors.clear()
	for change: Array in [["address", "nowhere"], ["encoding", "h264"], ["mode", "slow"]]:
		var world := _world("tcp://127.0.0.1:1", 0.3)
		world.set(change[0], change[1])
		check.that(not await world.open(), "%s = %s does not open" % change)
		world.free()
	check.equal(_errors.map(func(one: Array) -> String: return one[0]), ["usage", "usage", "usage"], "the codes")
	return true


func test_what_the_mouse_did_meanwhile_does_not_count(check: Check) -> bool:
	var server := _serve(check)
	var world := _world(server.address, 20.0)
	await world.open()
	await world.reset(7)
	world.mouse_x_axis = world.spec.axes[0].name
	world.input_enabled = false
	var motion := InputEventMouseMotion.new()
	motion.relative = Vector2(5, 0)
	Input.parse_input_event(motion)
	await _frames(check, 5)
	world.input_enabled = true
	await _frames(check, 5)
	check.equal(server.count("INPUT"), 0, "inputs of a mouse that moved while they were off")
	Input.parse_input_event(motion)
	await _until(check, func() -> bool: return server.count("INPUT") > 0)
	await _frames(check, 5)
	check.equal(server.count("INPUT"), 1, "inputs of one that moved later")
	_stop(check, world, server)
	return true


func test_a_game_that_opens_anew_by_itself_is_left_alone(check: Check) -> bool:
	var server := _serve(check)
	var world := _world(server.address, 20.0)
	world.autostart = true
	await world.open()
	await world.reset(7)
	var again := func() -> void:
		await world.open()
		await world.reset(8)
	world.closed.connect(again, CONNECT_ONE_SHOT)
	server.send(server.made("BYE", {"sid": Fake.SID, "reason": "idle", "resumable": false}))
	await _until(check, func() -> bool: return server.count("RESET") > 1)
	await check.tree.create_timer(2.5).timeout
	var seeds := server.heard.filter(func(header: Dictionary) -> bool: return header["t"] == "RESET")
	check.equal(seeds.map(func(header: Dictionary) -> int: return header["seed"]), [7, 8], "the seeds of all resets")
	_stop(check, world, server)
	return true


func _serve(check: Check) -> Fake:
	var server := Fake.new(check.wire)
	server.answer = server.usual
	check.tree.process_frame.connect(server.poll)
	return server


func _stop(check: Check, world: HeliosWorld, server: Fake) -> void:
	world.free()
	check.tree.process_frame.disconnect(server.poll)
	server.stop()


func _frames(check: Check, count: int) -> void:
	for _number: int in count:
		await check.tree.create_timer(0.02).timeout


## At most some seconds; what takes so long hangs.
func _until(check: Check, holds: Callable) -> void:
	var until := Time.get_ticks_msec() + 20_000
	while not holds.call() and Time.get_ticks_msec() < until:
		await check.tree.process_frame


func _open(world: HeliosWorld, opened: Array) -> void:
	opened.append(await world.open())


func _world(address: String, timeout: float) -> HeliosWorld:
	var world := HeliosWorld.new()
	world.address = address
	world.timeout = timeout
	world.autostart = false
	world.error.connect(func(code: String, message: String, _retryable: bool) -> void: _errors.append([code, message]))
	(Engine.get_main_loop() as SceneTree).root.add_child(world)
	return world
