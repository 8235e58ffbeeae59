extends RefCounted
## Lockstep steps as fast as they go, and what showing their frames costs the main thread.

const Commands := preload("probe_commands.gd")
const Times := preload("res://addons/helios_world/client/times.gd")


static func run(client: HeliosClient, session: HeliosSession, count: int, warmup: int) -> Dictionary:
	var texture := ImageTexture.new()
	var trips: Array[float] = []
	var main: Array[float] = []
	var decode: Array[float] = []
	var frames := 0
	var started := 0.0
	for number: int in warmup + count:
		if number == warmup:
			started = Times.now()
		var before := Time.get_ticks_usec()
		var asked := Commands.settle(client, session.step())
		var trip := (Time.get_ticks_usec() - before) / 1000.0
		if asked.error != null:
			return {"error": asked.error.code, "message": asked.error.message, "retryable": asked.error.retryable}
		var chunk: HeliosChunk = asked.value
		var shown := _show(texture, chunk)
		if number >= warmup:
			trips.append(trip)
			main.append(shown)
			decode.append(chunk.decode_ms / chunk.frames)
			frames += chunk.frames
	return {
		"ok": "bench",
		"round_trip_ms": trips,
		"frames": frames,
		"seconds": Times.now() - started,
		"allocated_bytes_per_frame": null,
		"main_ms_per_frame": main,
		"decode_ms_per_frame": decode,
	}


## Milliseconds per frame for what a screen does on the main thread.
static func _show(texture: ImageTexture, chunk: HeliosChunk) -> float:
	var before := Time.get_ticks_usec()
	for image: Image in chunk.images:
		if texture.get_size() == Vector2(image.get_size()):
			texture.update(image)
		else:
			texture.set_image(image)
	return (Time.get_ticks_usec() - before) / 1000.0 / chunk.frames
