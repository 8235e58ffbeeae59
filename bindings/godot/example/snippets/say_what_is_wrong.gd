extends Label

@export var world: HeliosWorld


func _ready() -> void:
	world.disconnected.connect(func(reason: String) -> void: text = "connection lost: %s" % reason)
	world.resumed.connect(func() -> void: text = "")
	world.error.connect(_on_error)


func _on_error(code: String, message: String, retryable: bool) -> void:
	text = "%s: %s" % [code, message]
	if code == "connection" and retryable:
		text += "\nis the server running?"
