## Says in the middle of the window what keeps a [HeliosWorld] from being shown, and what to do about it.
extends Control

## Seconds that a trouble must last to be worth a notice.
const PATIENCE := 0.6

@export var world: HeliosWorld

var _waited := 0.0
var _last_code := ""
var _last_error := ""

@onready var _title: Label = %Title
@onready var _advice: Label = %Advice


func _ready() -> void:
	hide()
	world.error.connect(_on_error)
	world.opened.connect(func(_spec: HeliosSpec) -> void: _last_code = "")


func _process(delta: float) -> void:
	var is_well := world.state == "open" and world.chunk != null
	_waited = 0.0 if is_well else _waited + delta
	visible = _waited > PATIENCE
	if visible:
		_explain()


func _on_error(code: String, message: String, _retryable: bool) -> void:
	_last_code = code
	_last_error = message


func _explain() -> void:
	match world.state:
		"open":
			_set_text("The first frames are on their way", world.spec.name)
		"connected":
			_set_text("Opening the world", world.address)
		"resuming":
			_set_text("The connection is lost", "Trying to go on where it broke off: %s" % world.address)
		"closed" when _last_code != "connection":
			_set_text("The world is closed", _last_error)
		_:
			_set_text(
				"No server at %s" % world.address,
				"Start one:   helios-world serve nano\nTrying again until there is one"
			)


func _set_text(title: String, advice: String) -> void:
	_title.text = title
	_advice.text = advice
