extends MeshInstance3D

@export var world: HeliosWorld


func _ready() -> void:
	world.opened.connect(_on_opened)


func _on_opened(_spec: HeliosSpec) -> void:
	var material := StandardMaterial3D.new()
	material.shading_mode = BaseMaterial3D.SHADING_MODE_UNSHADED
	material.albedo_texture = world.texture
	material_override = material
