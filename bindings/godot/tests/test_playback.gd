extends RefCounted
## The clock of frames, on a made-up time.

const Check := preload("check.gd")
const Playback := preload("res://addons/helios_world/playback.gd")


func test_frames_come_at_absolute_times(check: Check) -> bool:
	var playback := Playback.new(24.0)
	for index: int in 3:
		playback.push(_chunk(index, 4))
	var shown: Array[int] = []
	for tick: int in 500:
		if playback.advance(100.0 + tick / 1000.0):
			shown.append(playback.chunk.index * 4 + playback.number)
			check.that(tick >= int(shown[-1] * 1000 / 24.0) and tick <= int(shown[-1] * 1000 / 24.0) + 1, "on time")
	check.equal(shown, range(12) as Array[int], "what was shown")
	check.equal(playback.underruns, 0, "underruns before anything was expected")
	return true


func test_no_drift_with_a_slow_display(check: Check) -> bool:
	var playback := Playback.new(24.0)
	playback.is_expecting = true
	var next := 0
	for tick: int in 600:
		if playback.queued() == 0:
			playback.push(_chunk(next, 4))
			next += 1
		playback.advance(tick / 60.0)
	check.equal(playback.chunk.index * 4 + playback.number, int(599 / 60.0 * 24), "the frame after ten seconds")
	check.equal(playback.underruns, 0, "underruns")
	return true


func test_a_stall_counts_once_and_begins_anew(check: Check) -> bool:
	var playback := Playback.new(10.0)
	playback.is_expecting = true
	playback.push(_chunk(0, 2))
	for tick: int in 100:
		playback.advance(tick / 100.0)
	check.equal(playback.underruns, 1, "underruns in one stall")
	playback.push(_chunk(1, 2))
	check.that(playback.advance(1.0), "the late chunk is shown at once")
	check.equal(playback.number, 0, "its first frame")
	check.that(not playback.advance(1.05), "its second frame waits")
	check.that(playback.advance(1.1), "for its own time")
	for tick: int in 50:
		playback.advance(1.1 + tick / 100.0)
	check.equal(playback.underruns, 2, "underruns in two stalls")
	return true


func test_a_pause_is_no_underrun(check: Check) -> bool:
	var playback := Playback.new(10.0)
	playback.is_expecting = true
	playback.push(_chunk(0, 4))
	playback.advance(0.0)
	playback.hold()
	check.that(playback.advance(50.0), "it goes on")
	check.equal(playback.number, 1, "the frame after the pause")
	check.equal(playback.underruns, 0, "underruns")
	return true


func test_late_frames_are_left_out(check: Check) -> bool:
	var playback := Playback.new(10.0)
	playback.push(_chunk(0, 4))
	playback.push(_chunk(1, 4))
	playback.advance(0.0)
	check.that(playback.advance(0.5), "half a second later")
	check.equal([playback.chunk.index, playback.number], [1, 1], "chunk and frame")
	check.equal(playback.frames_shown, 2, "frames shown")
	return true


func test_a_cut_shows_the_new_at_once(check: Check) -> bool:
	var playback := Playback.new(10.0)
	playback.push(_chunk(0, 4))
	playback.push(_chunk(1, 4))
	playback.advance(0.0)
	playback.cut()
	check.that(not playback.advance(0.1), "nothing of the past is shown")
	playback.push(_chunk(7, 4))
	check.that(playback.advance(0.11), "the new chunk comes at once")
	check.equal([playback.chunk.index, playback.number], [7, 0], "chunk and frame")
	return true


func test_the_queue_is_bounded(check: Check) -> bool:
	var playback := Playback.new(10.0)
	for index: int in 50:
		playback.push(_chunk(index, 1))
	check.that(playback.queued() <= 4, "few chunks wait")
	playback.advance(0.0)
	check.that(playback.chunk.index >= 46, "the oldest are left out")
	return true


static func _chunk(index: int, frames: int) -> HeliosChunk:
	var chunk := HeliosChunk.new()
	chunk.index = index
	for _number: int in frames:
		chunk.images.append(null)
	return chunk
