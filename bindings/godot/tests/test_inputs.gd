extends RefCounted
## What INPUT says of presses, taps, axes and prompts.

const Check := preload("check.gd")
const Worlds := preload("worlds.gd")


func test_changes_are_told_once(check: Check) -> bool:
	var inputs := HeliosInputs.new(Worlds.example())
	check.equal(inputs.take(), {}, "before anything")
	inputs.press("forward")
	var told := inputs.take()
	check.equal([told["n"], told["buttons"], told["pressed"]], [1, ["forward"], ["forward"]], "a press")
	check.equal(inputs.take(), {}, "nothing new")
	inputs.press("forward")
	check.equal(inputs.take(), {}, "a press of what is held")
	inputs.release("forward")
	told = inputs.take()
	check.equal([told["n"], told["buttons"], told["pressed"]], [2, [], []], "a release")
	return true


func test_a_tap_is_not_lost(check: Check) -> bool:
	var inputs := HeliosInputs.new(Worlds.example())
	inputs.press("jump")
	inputs.release("jump")
	var told := inputs.take()
	check.equal([told["buttons"], told["pressed"]], [[], ["jump"]], "a tap between two looks")
	return true


func test_axes(check: Check) -> bool:
	var inputs := HeliosInputs.new(Worlds.example())
	inputs.move("turn", 5.0)
	inputs.move("dx", 3.0)
	inputs.move("dx", 4.0)
	check.equal(inputs.take()["axes"], {"dx": 7.0, "turn": 1.0}, "clipped, and summed")
	inputs.press("jump")
	check.equal(inputs.take()["axes"], {"turn": 1.0}, "amounts count once, values stay")
	inputs.move("turn", 0.0)
	check.equal(inputs.take()["axes"], {}, "at rest")
	return true


func test_what_no_chunk_has_had_is_told_again(check: Check) -> bool:
	var inputs := HeliosInputs.new(Worlds.example())
	inputs.press("jump")
	inputs.release("jump")
	inputs.say("rain")
	inputs.take()
	inputs.repeat()
	var told := inputs.take()
	check.equal([told["n"], told["pressed"], told["prompt"]], [2, ["jump"], "rain"], "told again")
	check.that(inputs.seen(2) < INF, "a chunk has had it")
	inputs.repeat()
	check.equal(inputs.take()["pressed"], [], "no more")
	return true


func test_the_newest_prompt_is_told_again(check: Check) -> bool:
	var inputs := HeliosInputs.new(Worlds.example())
	for text: String in ["rain", "snow"]:
		inputs.say(text)
		inputs.take()
	inputs.repeat()
	check.equal(inputs.take()["prompt"], "snow", "the newest one")
	return true


func test_a_prompt_that_cannot_be_spoils_no_input(check: Check) -> bool:
	var inputs := HeliosInputs.new(Worlds.example())
	inputs.press("jump")
	inputs.say("x".repeat(2001))
	check.equal(inputs.take()["prompt"], null, "it is not sent")
	return true


func test_a_new_epoch_forgets_taps_and_keeps_what_is_held(check: Check) -> bool:
	var inputs := HeliosInputs.new(Worlds.example())
	inputs.press("forward")
	inputs.press("jump")
	inputs.release("jump")
	inputs.renew()
	var told := inputs.take()
	check.equal([told["buttons"], told["pressed"]], [["forward"], []], "after a reset")
	return true
