## The newest snapshots of a walk, so that it can be gone back step by step.

## Seconds between two snapshots.
const INTERVAL := 3.0
## At most so many are kept, ten minutes' worth; and at most so many bytes, since a large world has large snapshots.
const MAX_COUNT := 200
const MAX_BYTES := 256 * 1024 * 1024
## Going back goes at least this far, in seconds: twice in a row must not end at the same place.
const SHORTEST := 1.0

var _states: Array[PackedByteArray] = []
var _seconds: PackedFloat64Array = []
var _bytes := 0


## Keeps a snapshot that was taken so many seconds into the walk. The oldest ones go when there are too many.
func push(state: PackedByteArray, seconds: float) -> void:
	_states.append(state)
	_seconds.append(seconds)
	_bytes += state.size()
	while _states.size() > 1 and (_states.size() > MAX_COUNT or _bytes > MAX_BYTES):
		_drop(0)


## The newest snapshot from before that second, or the oldest one there is; what is newer is forgotten.
## Empty if there is none.
func go_back_from(seconds: float) -> PackedByteArray:
	while _states.size() > 1 and _seconds[-1] > seconds - SHORTEST:
		_drop(_states.size() - 1)
	return _states[-1] if _states else PackedByteArray()


## Seconds into the walk of the newest snapshot.
func newest_seconds() -> float:
	return _seconds[-1]


func clear() -> void:
	_states.clear()
	_seconds.clear()
	_bytes = 0


func _drop(index: int) -> void:
	_bytes -= _states[index].size()
	_states.remove_at(index)
	_seconds.remove_at(index)
