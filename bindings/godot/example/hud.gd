## What one wants to know of a [HeliosWorld] while walking in it: its state, its figures, its prompt, and the keys.
extends Control

## The player has typed a prompt.
signal prompt_entered(text: String)
## The line for a prompt is closed, with or without a prompt.
signal typing_ended

const COLORS: Dictionary = {
	"open": Color("5ad17f"), "connected": Color("e8c15a"), "connecting": Color("e8c15a"), "resuming": Color("e8755a")
}
const CLOSED_COLOR := Color("e8755a")
## Seconds that a message stays.
const MESSAGE_SECONDS := 2.5
## Milliseconds over which shown frames are counted.
const COUNTING_MS := 1000

@export var world: HeliosWorld

var _fading: Tween
var _frames_before := 0
var _counted_at := 0

@onready var _dot: Panel = %Dot
@onready var _about: Label = %About
@onready var _round_trip: Label = %RoundTrip
@onready var _input_to_frame: Label = %InputToFrame
@onready var _frame_rate: Label = %FrameRate
@onready var _underruns: Label = %Underruns
@onready var _prompt_panel: Control = %PromptPanel
@onready var _prompt: Label = %Prompt
@onready var _line: LineEdit = %Line
@onready var _help: Control = %Help
@onready var _message: Label = %Message


func _ready() -> void:
	world.error.connect(_on_error)
	world.resumed.connect(say.bind("The connection is back; the walk goes on"))
	_line.text_submitted.connect(_on_line_submitted)
	_line.focus_exited.connect(_close_line)


func _process(_delta: float) -> void:
	_show_world()
	_show_figures()
	_show_prompt()


func _input(event: InputEvent) -> void:
	if _line.visible and event.is_action_pressed(&"ui_cancel"):
		_close_line()
		get_viewport().set_input_as_handled()


## Shows a line of text for a moment.
func say(text: String) -> void:
	_message.text = text
	_message.modulate = Color.WHITE
	if _fading:
		_fading.kill()
	_fading = create_tween()
	_fading.tween_interval(MESSAGE_SECONDS)
	_fading.tween_property(_message, ^"modulate", Color.TRANSPARENT, 0.4)


func toggle_help() -> void:
	_help.visible = not _help.visible


## Opens a line to write a prompt in; Enter sends [signal prompt_entered], Esc does not.
func ask_for_prompt() -> void:
	_line.clear()
	_line.show()
	_line.grab_focus.call_deferred()


func _on_line_submitted(text: String) -> void:
	_close_line()
	if text.strip_edges():
		prompt_entered.emit(text.strip_edges())


func _close_line() -> void:
	if _line.visible:
		_line.hide()
		typing_ended.emit()


func _on_error(code: String, message: String, _retryable: bool) -> void:
	if world.state == "open":
		say("%s: %s" % [code, message])


func _show_world() -> void:
	var color: Color = COLORS.get(world.state, CLOSED_COLOR)
	_dot.self_modulate = color
	var spec := world.spec
	if world.state != "open" or spec == null:
		_about.text = world.state
		return
	_about.text = "%s   %d x %d, %d per second" % [spec.name, spec.width, spec.height, spec.fps]


func _show_figures() -> void:
	var statistics := world.statistics
	_round_trip.text = _milliseconds(statistics["round_trip_ms"] as float)
	_input_to_frame.text = _milliseconds(statistics["input_ms"] as float)
	_underruns.text = str(statistics["underruns"])
	var now := Time.get_ticks_msec()
	if now - _counted_at >= COUNTING_MS:
		var frames: int = statistics["frames_shown"]
		_frame_rate.text = "%.0f" % (1000.0 * (frames - _frames_before) / (now - _counted_at))
		_frames_before = frames
		_counted_at = now


func _milliseconds(value: float) -> String:
	return "%.0f ms" % value if value >= 0.0 else "-"


# While a prompt fades in, each text stands there with its share.
func _show_prompt() -> void:
	_prompt_panel.visible = world.chunk != null and not _line.visible
	if not _prompt_panel.visible:
		return
	var lines := PackedStringArray()
	for part: Array in world.chunk.prompt:
		var share: float = part[1]
		lines.append(str(part[0]) if share > 0.995 else "%3.0f %%   %s" % [share * 100.0, part[0]])
	_prompt.text = "\n".join(lines)
