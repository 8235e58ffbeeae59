## A walk through a dreamed world: the world fills the window, and the keys of [member Hud] do the rest.
extends Control

const DefaultKeys := preload("res://example/default_keys.gd")
const Hud := preload("res://example/hud.gd")
const LaunchOptions := preload("res://example/launch_options.gd")
const Rewind := preload("res://example/rewind.gd")

var _rewind := Rewind.new()
var _kept: PackedByteArray = []
var _since_snapshot := 0.0
var _walked := 0.0

@onready var _world: HeliosWorld = %World
@onready var _hud: Hud = %Hud


func _enter_tree() -> void:
	DefaultKeys.add()
	var mistake := LaunchOptions.apply(get_node("%World") as HeliosWorld, OS.get_cmdline_user_args())
	if mistake:
		printerr(mistake)
		get_tree().quit(2)


func _ready() -> void:
	_world.opened.connect(_on_opened)
	_world.chunk_ready.connect(_on_chunk_ready)
	_hud.prompt_entered.connect(_on_prompt_entered)
	_hud.typing_ended.connect(_on_typing_ended)


func _process(delta: float) -> void:
	if _world.state != "open" or _world.chunk == null:
		return
	_since_snapshot += delta
	if _since_snapshot >= Rewind.INTERVAL:
		_since_snapshot = 0.0
		_remember()


func _unhandled_key_input(event: InputEvent) -> void:
	var key := event as InputEventKey
	if not key.pressed or key.echo:
		return
	match key.keycode:
		KEY_ESCAPE:
			get_tree().quit()
		KEY_F1, KEY_H:
			_hud.toggle_help()
		KEY_F12:
			_save_picture()
		_:
			if _world.state == "open":
				_on_world_key(key.keycode)


func _on_world_key(key: Key) -> void:
	match key:
		KEY_F5:
			_take_snapshot()
		KEY_F9:
			_restore_snapshot()
		KEY_R:
			_go_back()
		KEY_N:
			_begin_anew()
		KEY_T, KEY_ENTER, KEY_KP_ENTER:
			_world.input_enabled = false
			_hud.ask_for_prompt()
		KEY_1, KEY_2, KEY_3, KEY_4, KEY_5, KEY_6, KEY_7, KEY_8, KEY_9:
			_use_example(key - KEY_1)


func _on_opened(_spec: HeliosSpec) -> void:
	_rewind.clear()
	_since_snapshot = Rewind.INTERVAL


func _on_chunk_ready(chunk: HeliosChunk) -> void:
	_walked = float(chunk.first_frame) / _world.spec.fps


func _on_prompt_entered(text: String) -> void:
	await _world.set_prompt(text)


# In the frame that ends the typing its last letters still count as pressed: they must not steer.
func _on_typing_ended() -> void:
	for frame in 2:
		await get_tree().process_frame
	_world.input_enabled = true


func _use_example(number: int) -> void:
	if number < _world.spec.prompts.size():
		_on_prompt_entered(_world.spec.prompts[number])
	else:
		_hud.say("%s has %d example prompts" % [_world.spec.name, _world.spec.prompts.size()])


func _take_snapshot() -> void:
	var state := await _world.snapshot()
	if state:
		_kept = state
		_hud.say("Snapshot kept; F9 returns to it")


func _restore_snapshot() -> void:
	if _kept.is_empty():
		_hud.say("No snapshot yet; F5 takes one")
	elif await _world.restore(_kept):
		_hud.say("Back at the snapshot")


func _remember() -> void:
	var seconds := _walked
	var state := await _world.snapshot()
	if state:
		_rewind.push(state, seconds)


func _go_back() -> void:
	var state := _rewind.go_back_from(_walked)
	if state.is_empty():
		_hud.say("Nothing to go back to yet")
		return
	var seconds := _rewind.newest_seconds()
	_since_snapshot = 0.0
	if await _world.restore(state):
		_walked = seconds
		_hud.say("Back to second %.0f; R again goes further" % seconds)


func _begin_anew() -> void:
	_rewind.clear()
	_since_snapshot = Rewind.INTERVAL
	var seed_number := randi()
	if await _world.reset(seed_number):
		_hud.say("A new world, from seed %d" % seed_number)


func _save_picture() -> void:
	await RenderingServer.frame_post_draw
	var path := "user://%s.png" % Time.get_datetime_string_from_system().replace(":", "-")
	get_viewport().get_texture().get_image().save_png(path)
	_hud.say("Saved " + ProjectSettings.globalize_path(path))
