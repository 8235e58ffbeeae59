extends SceneTree
## Drives the client by lines on standard input; one line of JSON on standard output for each. See the engine tests.

const Commands := preload("probe_commands.gd")

var _commands := Commands.new()


func _initialize() -> void:
	# The client has its own thread, so that this one may wait for the next line.
	while not _commands.is_over:
		var line := _read_line()
		if line.is_empty():
			break
		var answer := _commands.run(line.strip_edges())
		if not answer.is_empty():
			print("= ", JSON.stringify(answer))
	_commands.end()
	quit(0)


## The next line; "" at the end of the input.
func _read_line() -> String:
	return OS.read_string_from_stdin(1 << 20)
