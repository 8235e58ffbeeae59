extends RefCounted
## A session and a server that does not behave: what was asked is done once, and nothing stops for ever.

const Check := preload("check.gd")
const Fake := preload("fake_server.gd")
const Stream := preload("res://addons/helios_world/stream.gd")

var _server: Fake
var _client: HeliosClient


func test_a_connection_that_ends_with_the_answer_to_resume(check: Check) -> bool:
	var times := [0, 0]
	var session := await _open(
		check,
		func(message: Dictionary) -> Array:
			if message["t"] == "RESET" and times[0] == 0:
				times[0] += 1
				return [{"hang up": true}]
			if message["t"] == "RESUME" and times[1] == 0:
				times[1] += 1
				return _server.usual(message) + [{"nonsense": true}]
			return _server.usual(message)
	)
	var asked := await _settle(check, session.reset(7))
	check.that(asked.error == null, "the reset succeeds in the end: %s" % asked.error)
	check.equal(_server.count("RESUME"), 2, "times that it was resumed")
	_end()
	return true


func test_refusals_without_end_are_not_answered_at_once(check: Check) -> bool:
	var session := await _open(
		check,
		func(message: Dictionary) -> Array:
			if message["t"] == "RESET":
				return [_server.made("ERROR", {"seq": message["seq"], "sid": Fake.SID, "code": "gap"})]
			return _server.usual(message)
	)
	session.timeout = 3.0
	var asked := await _settle(check, session.reset(7))
	check.that(asked.error != null, "it fails")
	check.that(_server.count("RESET") in range(2, 9), "a few tries, not %d" % _server.count("RESET"))
	_end()
	return true


func test_an_epoch_that_nobody_waits_for_any_more(check: Check) -> bool:
	var session := await _open(
		check, func(message: Dictionary) -> Array: return [] if message["t"] == "RESET" else _server.usual(message)
	)
	var stream := Stream.new(session)
	session.timeout = 3.0
	var late := session.reset(7)
	await _until(check, func() -> bool: return _server.count("RESET") > 0)
	check.equal((await _settle(check, late)).error.code, "timeout", "the code")
	_server.send(_server.usual(_server.newest("RESET"))[0])
	await _until(check, func() -> bool: return session.epoch == 1)
	check.equal(session.epoch, 1, "the epoch")
	await _until(check, func() -> bool: return _advance(stream) and _server.count("CREDIT") > 0)
	check.equal(_server.newest("CREDIT")["epoch"], 1, "the stream goes on in it")
	_end()
	return true


func test_what_failed_is_not_done_later(check: Check) -> bool:
	var is_gone := [false]
	var session := await _open(
		check,
		func(message: Dictionary) -> Array:
			if message["t"] == "RESET":
				is_gone[0] = true
			return [{"hang up": true}] if is_gone[0] else _server.usual(message)
	)
	session.timeout = 3.0
	check.that((await _settle(check, session.reset(7))).error != null, "it fails")
	is_gone[0] = false
	_server.answer = _server.usual
	session.timeout = 20.0
	check.that((await _settle(check, session.snapshot())).error == null, "another call succeeds")
	check.equal(_server.count("RESET"), 1, "times that the reset was sent")
	check.equal(_server.newest("SNAPSHOT")["seq"], 1, "its number is free")
	_end()
	return true


func test_a_flood_of_notices_hides_nothing_else(check: Check) -> bool:
	var session := await _open(check, _server_usual)
	for _number: int in 1500:
		_server.send(_server.made("ERROR", {"seq": null, "sid": Fake.SID, "code": "action"}))
	_server.send(_server.made("BYE", {"sid": Fake.SID, "reason": "idle", "resumable": false}))
	OS.delay_msec(400)
	await _until(check, func() -> bool: return session.is_over)
	check.that(session.is_over, "the end is told")
	_end()
	return true


func test_a_resume_that_may_succeed_later_is_tried_again(check: Check) -> bool:
	var times := [0]
	var session := await _open(
		check,
		func(message: Dictionary) -> Array:
			if message["t"] == "RESUME" and times[0] == 0:
				times[0] += 1
				var keys := {"seq": message["seq"], "sid": Fake.SID, "code": "timeout", "retryable": true}
				return [_server.made("ERROR", keys)]
			return _server.usual(message)
	)
	_server.hang_up()
	check.that((await _settle(check, session.reset(7))).error == null, "it goes on")
	check.equal(_server.count("RESUME"), 2, "times that it was resumed")
	_end()
	return true


func test_a_stream_goes_on_after_the_server_went_back(check: Check) -> bool:
	var session := await _open(check, _server_usual)
	var stream := Stream.new(session)
	stream.begin((await _settle(check, session.reset(7))).value as HeliosChunk)
	await _until(check, func() -> bool: return _advance(stream) and _server.count("CREDIT") > 0)
	_server.send(_server.made("CHUNK", {"seq": null, "sid": Fake.SID, "epoch": 1, "index": 40}))
	await _until(check, func() -> bool: return _advance(stream) and stream.chunks == 2)
	_server.answer = func(message: Dictionary) -> Array:
		var answers := _server.usual(message)
		if message["t"] == "RESUME":
			answers[0].merge({"next_seq": 1, "epoch": 1, "index": 12}, true)
		return answers
	_server.hang_up()
	await _until(check, func() -> bool: return _server.count("RESUME") > 0)
	var before := _server.count("CREDIT")
	await _until(check, func() -> bool: return _advance(stream) and _server.count("CREDIT") > before)
	_server.send(_server.made("CHUNK", {"seq": null, "sid": Fake.SID, "epoch": 1, "index": 12}))
	await _until(check, func() -> bool: return _advance(stream) and stream.chunks == 3)
	check.equal(stream.playback.chunk.index, 12, "the chunk on screen")
	_end()
	return true


func test_input_that_was_lost_is_told_again(check: Check) -> bool:
	var session := await _open(check, _server_usual)
	var stream := Stream.new(session)
	stream.inputs.press("forward")
	stream.begin((await _settle(check, session.reset(7))).value as HeliosChunk)
	await _until(check, func() -> bool: return _advance(stream) and _server.count("CREDIT") > 0)
	check.equal(_server.count("INPUT"), 1, "inputs")
	_server.send(_server.made("CHUNK", {"seq": null, "sid": Fake.SID, "epoch": 1, "index": 1, "applied": null}))
	await _until(check, func() -> bool: return _advance(stream) and _server.count("INPUT") > 1)
	check.equal(_server.newest("INPUT")["buttons"], ["forward"], "what is held")
	_end()
	return true


func test_inputs_are_no_flood(check: Check) -> bool:
	var session := await _open(check, _server_usual)
	var stream := Stream.new(session)
	stream.begin((await _settle(check, session.reset(7))).value as HeliosChunk)
	var before := Time.get_ticks_usec()
	for number: int in 300:
		stream.inputs.press("forward")
		stream.inputs.release("forward")
		_advance(stream)
		OS.delay_usec(500)
	var seconds := (Time.get_ticks_usec() - before) * 1e-6
	await _until(check, func() -> bool: return _advance(stream) and _server.count("INPUT") > 0)
	check.that(_server.count("INPUT") < 110 * seconds + 3, "%d in %.2f s" % [_server.count("INPUT"), seconds])
	check.equal(_server.newest("INPUT")["pressed"], ["forward"], "the tap in the last one")
	_end()
	return true


func test_a_repetition_is_what_it_was(check: Check) -> bool:
	var session := await _open(
		check, func(message: Dictionary) -> Array: return [] if message["t"] == "STEP" else _server.usual(message)
	)
	await _settle(check, session.reset(7))
	_client.times.repeat = 0.2
	var action := HeliosAction.of(["forward"], {"turn": 0.5})
	var asked := session.step(action)
	action.buttons.append("jump")
	action.axes["turn"] = 1.0
	await _until(check, func() -> bool: return _server.count("STEP") > 1)
	check.equal(_server.newest("STEP")["action"], {"buttons": ["forward"], "axes": {"turn": 0.5}}, "the action")
	check.that(not asked.is_done, "it is under way")
	_end()
	return true


func test_a_long_upload_is_no_dead_connection(check: Check) -> bool:
	var session := await _open(check, _server_usual)
	_client.times.repeat = 0.3
	session.timeout = 60.0
	_server.appetite = 200_000
	var state := PackedByteArray()
	state.resize(48 << 20)
	check.that((await _settle(check, session.restore(state))).error == null, "it arrives")
	check.equal([_server.count("RESTORE"), _server.count("RESUME")], [1, 0], "times that it was sent, and resumed")
	_end()
	return true


func test_sessions_end_with_their_client(check: Check) -> bool:
	var session := await _open(check, _server_usual)
	_end()
	check.that(session.is_over, "it is over")
	check.that(session.snapshot().is_done, "a call fails at once")
	return true


func test_a_client_that_goes_while_it_opens_leaves_no_session(check: Check) -> bool:
	_begin(check, func(message: Dictionary) -> Array: return [] if message["t"] == "OPEN" else _server.usual(message))
	_client.times.farewell = 10.0
	await _settle(check, _client.connect_to(_server.address, 20.0))
	_client.open()
	await _until(check, func() -> bool: return _server.count("OPEN") > 0)
	var thread := Thread.new()
	thread.start(_client.close)
	OS.delay_msec(50)
	_server.send(_server.usual(_server.newest("OPEN"))[0])
	await _until(check, func() -> bool: return _server.count("CLOSE") > 0)
	thread.wait_to_finish()
	check.equal(_server.count("CLOSE"), 1, "times that it was closed")
	_end()
	return true


func test_a_snapshot_while_the_game_is_paused(check: Check) -> bool:
	_begin(check, _server_usual)
	var world := HeliosWorld.new()
	world.address = _server.address
	world.mode = "lockstep"
	world.autostart = false
	check.tree.root.add_child(world)
	check.tree.process_frame.connect(_server.poll)
	check.that(await world.open(), "it opens")
	check.tree.paused = true
	var got := []
	var save := func() -> void: got.append(await world.snapshot())
	save.call()
	await _until(check, func() -> bool: return not got.is_empty())
	check.tree.paused = false
	check.that(not got.is_empty() and not got[0].is_empty(), "it has come")
	check.tree.process_frame.disconnect(_server.poll)
	world.free()
	_end()
	return true


func _server_usual(asked: Dictionary) -> Array:
	return _server.usual(asked)


func _begin(check: Check, answer: Callable) -> void:
	_server = Fake.new(check.wire)
	_server.answer = answer
	_client = HeliosClient.new()


func _open(check: Check, answer: Callable) -> HeliosSession:
	_begin(check, answer)
	await _settle(check, _client.connect_to(_server.address, 20.0))
	var asked := await _settle(check, _client.open({"mode": "stream"}))
	check.that(asked.error == null, "it opens: %s" % asked.error)
	return asked.value


func _end() -> void:
	_client.close()
	_server.stop()


func _settle(check: Check, asked: HeliosCall) -> HeliosCall:
	await _until(check, func() -> bool: return asked.is_done)
	return asked


## At most some seconds; what takes so long hangs.
func _until(check: Check, holds: Callable) -> void:
	var until := Time.get_ticks_msec() + 40_000
	while not holds.call() and Time.get_ticks_msec() < until:
		_server.poll()
		_client.poll()
		await check.tree.process_frame
	check.that(holds.call() as bool, "it happens in time")


static func _advance(stream: Stream) -> bool:
	stream.advance(Time.get_ticks_usec() * 1e-6)
	return true
